"""Refunds, disputes, methods and renewals, as they are heard of: each is told of once, to whom it concerns."""

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Issuer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.notifications import handlers
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import Kind, OwnWords, Status
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import (
    DisputeOpened,
    PaymentMethodAdded,
    PaymentMethodRefused,
    RefundAsked,
    RefundRefused,
    RefundSucceeded,
)
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import SubscriptionRenewalUpcoming
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import heard
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import LATER, a_message, an_open_invoice
from tests.support.builders.subscriptions import a_subscription

CARD = {"brand": "visa", "last4": "4242"}


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


@pytest.fixture
async def invoice(ground):
    async with ground.tx() as tx:
        return await an_open_invoice(tx, ground.customer)


@pytest.fixture
def of_money(ground, invoice):
    return {
        "tenant_id": ground.tenant_id,
        "payment_id": ids.new(NOW),
        "invoice_id": invoice.id,
        "customer_id": ground.customer.id,
        "amount": Money(1200, "EUR"),
    }


@pytest.fixture
def of_method(ground):
    return {
        "tenant_id": ground.tenant_id,
        "payment_method_id": ids.new(NOW),
        "customer_id": ground.customer.id,
    }


async def told_once(ground, handler, event):
    """Let a fact be heard three times; return what was told of it."""
    said = await ground.hear(handler, heard(event), heard(event))
    assert await ground.hear(handler, heard(event)) == []
    return said


async def test_a_wish_for_a_refund_is_confirmed_and_its_refusal_says_why(ground, invoice, of_money):
    refund = ids.new(NOW)
    asked = RefundAsked(**of_money, refund_id=refund, reason="not for me")
    assert await told_once(ground, handlers.on_refund_asked, asked) == [("email", "refund_asked")]
    refused = RefundRefused(**of_money, refund_id=refund, reason="It was used")
    assert await told_once(ground, handlers.on_refund_refused, refused) == [("email", "refund_refused")]
    first, second = map(text_of, ground.inbox.mails)
    assert f"refunded €12.00 of invoice {invoice.number}" in first
    assert "not for me" not in first
    assert "Reason: It was used" in second


async def test_a_refund_names_the_card_that_it_goes_back_to(ground, invoice):
    """Not that of another payment of the same invoice: money that came in twice goes back, too."""
    async with ground.tx() as tx:
        payable = invoicing.payable_of(invoice, via=Via.LINK)
        [first] = (await payments.current(tx, invoices=[invoice.ref])).values()
        await payments.cancel(tx, invoices=[invoice.ref], now=NOW)
        [second] = await payments.collect(tx, payables=[payable], now=NOW)
        for payment, last4 in ((first, "1111"), (second, "2222")):
            await tx.execute("update payments.payments set brand = 'visa', last4 = $2 where id = $1", payment.id, last4)
    facts = {"tenant_id": ground.tenant_id, "invoice_id": invoice.id, "customer_id": ground.customer.id}
    facts |= {"amount": invoice.total, "ends_access": False, "settled_at": NOW}
    for payment in (first, second):
        refunded = RefundSucceeded(refund_id=ids.new(NOW), payment_id=payment.id, **facts)
        await ground.hear(handlers.on_refund_succeeded, heard(refunded))
    assert ["Visa •••• 1111" in text_of(mail) for mail in ground.inbox.mails] == [True, False]


async def staffed(ground):
    """Say where the staff reads, and in which language: English, as an issuer's is where it says nothing else."""
    async with ground.tx() as tx:
        issuer = (await identity.issuer(tx, tenant_ids=[ground.tenant_id]))[ground.tenant_id]
        changed = Issuer(
            tenant_id=ground.tenant_id,
            id=issuer.id,
            legal_name="Northwind B.V.",
            address=issuer.address,
            email="money@northwind.example",
        )
        await identity.set_issuer(tx, issuer=changed, now=NOW)


async def test_a_dispute_reaches_the_staff_with_its_deadline(ground, of_money):
    await staffed(ground)
    opened = DisputeOpened(**of_money, dispute_id=ids.new(NOW), reason="product_not_received", respond_by=LATER)
    assert await told_once(ground, handlers.on_dispute_opened, opened) == [("email", "dispute_opened")]
    [mail] = ground.inbox.mails
    assert mail["To"].addresses[0].addr_spec == "money@northwind.example"
    for said in ("Customer: Ada Lovelace", "Amount: €12.00", "Reason: product not received", "Answer by: Mar 2, 2026"):
        assert said in text_of(mail)


async def test_the_staff_hears_of_a_dispute_of_somebody_who_was_erased(ground, of_money):
    await staffed(ground)
    async with ground.tx() as tx:
        await customers.erase(tx, refs=[Ref(ground.tenant_id, ground.customer.id)], now=NOW)
    opened = DisputeOpened(**of_money, dispute_id=ids.new(NOW), reason="fraudulent", respond_by=LATER)
    assert await told_once(ground, handlers.on_dispute_opened, opened) == [("email", "dispute_opened")]
    [mail] = ground.inbox.mails
    assert f"Customer: erased_{ground.customer.id.hex}" in text_of(mail)
    assert [each.content for each in await ground.told()] == [None]


async def test_the_staff_reads_of_a_dispute_in_its_own_words_and_language_whatever_the_customers_is(make_ground):
    ground = await make_ground(language="de")
    await staffed(ground)
    async with ground.tx() as tx:
        for language, subject in (("de", "Ein Streitfall"), ("en", "A dispute")):
            said = {"kind": Kind.DISPUTE_OPENED, "language": language, "subject": subject, "body": "{{ amount }}"}
            await notifications.set_words(tx, own=OwnWords(tenant_id=ground.tenant_id, **said), now=NOW)
    await ground.tell(a_message(ground.customer, Kind.DISPUTE_OPENED))
    assert [mail["Subject"] for mail in ground.inbox.mails] == ["A dispute"]


async def test_a_method_that_is_there_no_more_is_told_of_only_when_it_is_refused(ground, of_method):
    nameless = PaymentMethodAdded(**of_method, brand="", last4="")
    await told_once(ground, handlers.on_payment_method_added, nameless)
    assert ground.inbox.mails == [], "nobody could say which one it was"
    refused = PaymentMethodRefused(**of_method, decline_code="expired_card")
    assert await told_once(ground, handlers.on_payment_method_refused, refused) == [("email", "payment_method_refused")]
    [mail] = ground.inbox.mails
    assert "its bank did not confirm it" in text_of(mail)
    assert "expired_card" not in text_of(mail)


@pytest.fixture
async def subscription(ground):
    async with ground.tx() as tx:
        return await a_subscription(tx, ground.customer, await a_plan(tx, name="Pro", amount=3_000), is_active=True)


def upcoming(subscription):
    return SubscriptionRenewalUpcoming(
        tenant_id=subscription.tenant_id,
        subscription_id=subscription.id,
        customer_id=subscription.customer_id,
        organization_id=subscription.organization_id,
        plan_id=subscription.terms.plan_id,
        plan_code=subscription.terms.plan_code,
        plan_version=1,
        days_left=7,
        renews_at=subscription.current_period.ends_at,
    )


async def test_a_renewal_is_announced_with_its_day_and_price(ground, subscription):
    said = await told_once(ground, handlers.on_subscription_renewal_upcoming, upcoming(subscription))
    assert said == [("email", "upcoming_renewal")]
    [mail] = ground.inbox.mails
    assert "renews by itself on Apr 1, 2026. We will charge €30.00" in text_of(mail).replace("\n", " ")


async def test_a_renewal_that_was_called_off_meanwhile_is_not_announced(ground, subscription):
    async with ground.tx() as tx:
        await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=NOW)
    await ground.hear(handlers.on_subscription_renewal_upcoming, heard(upcoming(subscription)))
    [told] = await ground.told()
    assert (told.status, told.detail) == (Status.DROPPED, "it does not renew any more")
