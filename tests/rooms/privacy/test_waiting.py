"""An erasure waits for whatever is open, says for what, and goes on by itself."""

from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Billing
from guilder.domain.gateways.model import DisputeNews, DisputeStatus
from guilder.domain.invoicing.events import InvoiceVoided
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import DisputeTold
from guilder.domain.privacy import service as privacy
from guilder.domain.privacy.model import RequestKind, State
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Link
from guilder.kernel.ids import Ref
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Period
from guilder.platform.db.vault import Sealing, SubjectErased
from tests.support.builders.customers import a_customer
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.gateways import a_gateway
from tests.support.builders.invoicing import an_invoice
from tests.support.builders.metered import a_metered_plan, uses
from tests.support.builders.orders import says_yes
from tests.support.builders.subscriptions import terms_of


def whats(request):
    return [each.what for each in request.waits_for]


async def the_payments(office, customer):
    page = await office.shop.act(lambda tx: payments.history(tx, query=PageQuery(), customer_id=customer.id))
    return page.items


async def disputed(office, payment, status):
    told = DisputeTold(
        tenant_id=payment.tenant_id,
        account_id=payment.account_id,
        gateway="simulated",
        news=DisputeNews(
            dispute_ref="dp_1",
            status=status,
            amount=Money(payment.amount.minor, "EUR"),
            charge_ref=payment.charge_ref,
            provider_ref=payment.provider_ref,
        ),
        at=office.shop.now,
    )
    await office.shop.act(lambda tx: payments.record_disputes(tx, news=[told], now=office.shop.now))


@pytest.mark.shows("fault J5")
async def test_it_waits_for_subscription_invoice_dunning_and_dispute_and_then_it_runs(office):
    behind = await a_customer_behind(office.shop)
    shop = office.shop
    paid = [each for each in await the_payments(office, behind.customer) if each.status == "succeeded"]
    await disputed(office, paid[0], DisputeStatus.OPEN)
    asked = await office.ask(behind.customer)
    await office.work()
    waiting = await office.request(asked)
    assert (waiting.state, whats(waiting)) == (
        State.WAITING,
        ["subscription_active", "invoice_open", "dispute_open", "dunning_case_open"],
    )
    assert waiting.next_at == shop.now + timedelta(days=1)
    shop.bank = says_yes
    await shop.advance(shop.now + timedelta(days=1))
    await office.work()
    assert whats(await office.request(asked)) == ["subscription_active", "dispute_open"]
    await disputed(office, paid[0], DisputeStatus.LOST)
    await shop.advance(shop.now + timedelta(days=1))
    await office.work()
    assert whats(await office.request(asked)) == ["subscription_active"]
    [row] = await office.ask_database("select sealed_profile <> '' as known from customers.customers")
    assert row["known"], "nothing is forgotten before its time"


async def test_it_may_end_the_subscriptions_first(office):
    shop = office.shop
    customer = await shop.customer()
    card = await shop.card(customer)
    await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
    asked = await office.ask(customer, ends_subscriptions=True)
    await office.work()
    await shop.drain()
    assert (await office.request(asked)).state is State.DONE
    [row] = await office.ask_database("select status, organization_id from subscriptions.subscriptions")
    assert (row["status"], row["organization_id"]) == ("canceled", f"erased_{customer.id.hex}")


async def test_it_ends_what_is_ours_and_waits_for_what_a_provider_bills_itself(office):
    shop = office.shop
    customer = await shop.customer()
    card = await shop.card(customer)
    plan = await shop.plan()
    await shop.subscribe(customer, plan, payment_method_id=card.id)
    account = await shop.act(lambda tx: a_gateway(tx, is_default=False, now=shop.now))
    link = Link(
        tenant_id=customer.tenant_id,
        account_id=account.id,
        provider_ref="sub_1",
        customer_id=customer.id,
        organization_id=customer.organization_id,
        terms=terms_of(plan),
        time_zone="UTC",
        period=Period(shop.now, shop.now + timedelta(days=30)),
    )
    linked = await shop.act(lambda tx: subscriptions.link(tx, link=link, now=shop.now))
    asked = await office.ask(customer, ends_subscriptions=True)
    await office.work()
    waits_for = (await office.request(asked)).waits_for
    assert [(each.what, each.id) for each in waits_for] == [("subscription_active", linked.id)]


async def test_it_waits_until_what_was_used_is_billed_for_the_last_time(office):
    shop = office.shop
    customer = await shop.customer()
    card = await shop.card(customer)
    plan = await shop.act(lambda tx: a_metered_plan(tx, billing=Billing(grace_days=3), now=shop.now))
    subscription = (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription
    await shop.act(lambda tx: uses(tx, customer, 7, at=shop.now, properties={"who": "Ada"}))
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, now=shop.now))
    asked = await office.ask(customer)
    await shop.advance(subscription.current_period.ends_at + timedelta(days=1))
    await office.work()
    assert whats(await office.request(asked)) == ["period_unbilled"]
    [use] = await office.ask_database("select properties::text as properties from usage.events")
    assert "Ada" in use["properties"]
    await shop.advance(shop.now + timedelta(days=3))
    await office.work()
    assert (await office.request(asked)).state is State.DONE
    assert sorted(each.amount.minor for each in await the_payments(office, customer)) == [70, 3000]


async def test_what_closes_a_matter_wakes_it(office):
    shop = office.shop
    customer = await shop.customer()
    invoice = await shop.act(lambda tx: an_invoice(tx, customer, now=shop.now))
    asked = await office.ask(customer)
    await office.work()
    assert whats(await office.request(asked)) == ["invoice_open"]
    event = InvoiceVoided(
        tenant_id=customer.tenant_id,
        invoice_id=invoice.id,
        customer_id=customer.id,
        subscription_id=None,
        order_id=None,
        number=invoice.number,
        total=invoice.total,
    )
    await office.hears(event)
    assert (await office.request(asked)).next_at == shop.now


async def test_it_can_be_withdrawn_while_it_waits_and_not_once_it_ran(office):
    shop = office.shop
    customer = await shop.customer()
    await shop.act(lambda tx: an_invoice(tx, customer, now=shop.now))
    asked = await office.ask(customer)
    await office.work()
    gone = await shop.act(lambda tx: privacy.cancel(tx, request_id=asked.id, now=shop.now))
    assert (gone.state, gone.next_at) == (State.CANCELED, None)
    assert await office.step() == 0
    other = await shop.customer()
    done = await office.erase(other)
    with pytest.raises(IllegalStep):
        await shop.act(lambda tx: privacy.cancel(tx, request_id=done.id, now=shop.now))


async def test_the_same_is_asked_for_once_at_a_time(office):
    customer = await office.shop.customer()
    await office.ask(customer, RequestKind.RECTIFICATION)
    with pytest.raises(privacy.AskedAlready):
        await office.ask(customer, RequestKind.RECTIFICATION)
    await office.ask(customer, RequestKind.OBJECTION)


async def test_whoever_leaves_the_staff_is_forgotten(office):
    shop = office.shop

    async def work(tx):
        customer = await a_customer(tx)
        await privacy.member_left(tx, members=[Ref(customer.tenant_id, customer.id)], now=shop.now)
        await tx.vault.seal_many(tx, [Sealing(customer.tenant_id, customer.id, "a.b.c", "x")], now=shop.now)

    with pytest.raises(SubjectErased):
        await shop.act(work)
