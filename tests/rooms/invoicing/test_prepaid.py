"""Prepaid credits: docs/design/prepaid.md, on a real database."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from guilder.domain.catalog.model import Billing
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.handlers import on_refund_succeeded
from guilder.domain.invoicing.model import Settled
from guilder.domain.invoicing.service import prepaid
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.usage import service as usage
from guilder.kernel.event import Message
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_arrears import AUGUST, JULY, JUNE, utc
from tests.rooms.invoicing.test_credit import is_settled
from tests.support.builders.invoicing import is_paid_for


@pytest.fixture
def granted(open_tx, somebody):
    async def make(amount, *, at=JUNE, **over):
        said = {"priority": 0, "expires_at": None, "name": "", "is_paid": False}
        async with open_tx() as tx:
            return await invoicing.grant_prepaid(
                tx, customer_id=somebody.id, amount=Money(amount, "EUR"), now=at, **{**said, **over}
            )

    return make


@pytest.fixture
def left(open_tx, somebody):
    """Return what is left of each grant, by name."""

    async def read():
        async with open_tx() as tx:
            found = await invoicing.prepaid_grants(tx, query=PageQuery(limit=50, after=None), customer_id=somebody.id)
        return {each.name: each.left.minor for each in found.items}

    return read


async def test_grants_are_drawn_by_priority_and_then_by_expiry(metered, used, bill, billed, granted, left):
    await metered(amount=0)
    await granted(1_000, name="later", priority=2)
    await granted(700, name="soon", priority=1, expires_at=utc("2026-07-15"))
    await granted(600, name="sooner", priority=1, expires_at=utc("2026-07-10"))
    await used(150, "2026-06-10")
    await bill(JULY)
    assert (await billed())[0][1] == [
        ("usage", 1500, "06-01"),
        ("prepaid", -600, "06-01"),
        ("prepaid", -700, "06-01"),
        ("prepaid", -200, "06-01"),
        ("recurring", 0, "07-01"),
    ]
    assert await left() == {"sooner": 0, "soon": 0, "later": 800}


async def test_credits_pay_before_tax_and_what_they_pay_for_is_not_discounted(
    open_tx,
    metered,
    used,
    bill,
    granted,
    vat,
    somebody,
):
    await metered(amount=0)
    await granted(600)
    await used(100, "2026-06-10")
    await bill(JULY)
    async with open_tx() as tx:
        [made] = (await invoicing.listing(tx, query=PageQuery(limit=10, after=None))).items
    assert [(line.kind.value, line.amount.minor) for line in made.lines] == [
        ("usage", 400),
        ("usage", 600),
        ("prepaid", -600),
        ("recurring", 0),
    ]
    assert (made.subtotal, made.tax, made.total) == (Money(400, "EUR"), Money(76, "EUR"), Money(476, "EUR"))


async def test_what_is_granted_after_a_date_or_expired_on_it_pays_nothing_of_it(metered, used, bill, billed, granted):
    await metered(amount=0)
    await used(10, "2026-06-10")
    await granted(500, expires_at=JULY)
    await granted(500, at=JULY + timedelta(microseconds=1))
    await bill(AUGUST)
    assert (await billed())[0][1][0] == ("usage", 100, "06-01")
    assert all(kind != "prepaid" for _, lines in await billed() for kind, _, _ in lines)


@pytest.mark.parametrize("grace_days", [0, 2])
async def test_a_late_run_draws_what_was_good_on_the_date_of_the_invoice_before_it_expires(
    open_tx, metered, used, bill, billed, granted, left, grace_days
):
    await metered(amount=0, billing=Billing(grace_days=grace_days))
    dated = JULY + timedelta(days=grace_days)
    await used(10, "2026-06-10")
    gift, _ = await granted(500, name="gift", expires_at=dated + timedelta(hours=1))
    earlier, _ = await granted(500, name="earlier", expires_at=dated)
    if grace_days:
        await bill(JULY)  # the use of June is closed, and waits for its grace period
    async with open_tx() as tx:
        late = dated + timedelta(hours=2)  # nothing ran for two hours, and this is the first thing to run
        assert await jobs.expire_prepaid_due(tx, [gift.ref, earlier.ref], now=late) == 2
    drawn = [line for _, lines in await billed() for line in lines if line[0] != "recurring"]
    assert drawn == [("usage", 100, "06-01"), ("prepaid", -100, "06-01")]
    assert await left() == {"gift": 400, "earlier": 500}
    async with open_tx() as tx:
        assert await jobs.expire_prepaid_due(tx, [gift.ref, earlier.ref], now=late) == 0


async def test_prepaid_credits_do_not_expire_while_somebody_bills_what_was_due_before(
    open_tx, metered, used, granted, billed
):
    await metered(amount=0)
    await used(10, "2026-06-10")
    gift, _ = await granted(500, expires_at=JULY + timedelta(hours=1))
    late = JULY + timedelta(hours=2)
    async with open_tx() as billing:
        refs = [
            Ref(row["tenant_id"], row["id"]) for row in await billing.fetch("select * from subscriptions.subscriptions")
        ]
        await jobs.bill_due(billing, refs, now=late)
        async with open_tx() as other:
            assert await jobs.expire_prepaid_due(other, [gift.ref], now=late) == 0
    async with open_tx() as tx:
        assert await jobs.expire_prepaid_due(tx, [gift.ref], now=late) == 1
    assert (await billed())[0][1][:2] == [("usage", 100, "06-01"), ("prepaid", -100, "06-01")]


async def test_what_is_bought_is_owed_as_service_until_it_is_drawn_or_expires(
    open_tx,
    metered,
    used,
    bill,
    granted,
    balances,
    left,
    vat,
):
    await metered(amount=0)
    bought, sale = await granted(1_000, is_paid=True, name="pack", expires_at=utc("2026-07-20"))
    assert (sale.total, bought.is_usable) == (Money(1_190, "EUR"), False)
    assert await balances() == {"receivable": 1_190, "deferred_revenue": -1_000, "tax_payable": -190}
    async with open_tx() as tx:
        payment = await is_paid_for(tx, sale, now=utc("2026-06-02"))
        await invoicing.settle(
            tx,
            settled=[
                Settled(
                    tenant_id=sale.tenant_id,
                    invoice_id=sale.id,
                    payment_id=payment.id,
                    settled_at=utc("2026-06-02"),
                )
            ],
            now=utc("2026-06-02"),
        )
    await used(30, "2026-06-10")
    await bill(JULY)
    assert await left() == {"pack": 700}
    assert await balances() == {"cash": 1_190, "deferred_revenue": -700, "revenue": -300, "tax_payable": -190}
    async with open_tx() as tx:
        assert await jobs.expire_prepaid_due(tx, [bought.ref], now=utc("2026-07-20")) == 1
        assert await jobs.expire_prepaid_due(tx, [bought.ref], now=utc("2026-07-20")) == 0
    assert await balances() == {"cash": 1_190, "revenue": -1_000, "tax_payable": -190}


async def test_what_is_not_paid_for_yet_pays_for_nothing(metered, used, bill, billed, granted):
    await metered(amount=0)
    await granted(1_000, is_paid=True)
    await used(30, "2026-06-10")
    await bill(JULY)
    assert (await billed())[1][1] == [("usage", 300, "06-01"), ("recurring", 0, "07-01")]


async def test_voiding_an_invoice_gives_back_what_it_drew_and_takes_back_what_it_sold(
    open_tx,
    metered,
    used,
    bill,
    granted,
    balances,
    left,
):
    await metered(amount=0)
    await granted(100, name="gift")
    _, sale = await granted(1_000, is_paid=True, name="pack")
    await used(30, "2026-06-10")
    await bill(JULY)
    assert await left() == {"gift": 0, "pack": 1_000}
    async with open_tx() as tx:
        made = (await invoicing.listing(tx, query=PageQuery(limit=10, after=None))).items
        await invoicing.void(tx, refs=[each.ref for each in made], now=utc("2026-07-02"))
    assert await left() == {"gift": 100, "pack": 1_000}
    assert await balances() == {}
    async with open_tx() as tx:
        grants = await invoicing.prepaid_grants(tx, query=PageQuery(limit=9, after=None), customer_id=sale.customer_id)
    assert {each.name: each.is_usable for each in grants.items} == {"gift": True, "pack": False}


async def test_a_credit_note_of_the_whole_invoice_gives_back_what_it_drew(
    open_tx, metered, used, bill, granted, balances, left, vat
):
    await metered(amount=0)
    await granted(100, name="gift")
    _, sale = await granted(500, is_paid=True, name="pack")
    async with open_tx() as tx:
        await is_settled(tx, sale)
    await used(100, "2026-06-10")
    await bill(JULY)
    assert await left() == {"gift": 0, "pack": 0}
    async with open_tx() as tx:
        [made, _] = (await invoicing.listing(tx, query=PageQuery())).items
        for amount, again in ((76, {"gift": 0, "pack": 0}), (None, {"gift": 100, "pack": 500})):
            wanted = invoicing.Correction(reason="Down all June", amount_minor=amount)
            await invoicing.credit_note(tx, invoice_id=made.id, correction=wanted, now=utc("2026-07-03"))
            found = await tx.fetch("select name, left_minor from invoicing.prepaid_grants")
            assert {each["name"]: each["left_minor"] for each in found} == again
    # Of the pack, which is paid, nothing is earned; and nothing is owed for June.
    assert await balances() == {"cash": 595, "deferred_revenue": -500, "tax_payable": -95}


@pytest.mark.parametrize("is_void", [True, False])
async def test_what_is_there_again_is_less_what_is_back_of_its_price(
    open_tx, metered, used, bill, granted, balances, left, vat, is_void
):
    await metered(amount=0)
    _, sale = await granted(500, is_paid=True, name="pack")
    async with open_tx() as tx:
        await is_settled(tx, sale)
    await used(100, "2026-06-10")
    await bill(JULY)
    async with open_tx() as tx:
        [made] = [each for each in (await invoicing.listing(tx, query=PageQuery())).items if each.id != sale.id]
        part, whole = [invoicing.Correction(reason="Sorry", amount_minor=each) for each in (238, None)]
        await invoicing.credit_note(tx, invoice_id=sale.id, correction=part, now=utc("2026-07-02"))
        if is_void:
            await invoicing.void(tx, refs=[made.ref], now=utc("2026-07-03"))
        else:
            await invoicing.credit_note(tx, invoice_id=made.id, correction=whole, now=utc("2026-07-03"))
    assert await left() == {"pack": 300}, "of 5.00, all drawn, 2.00 and their tax are the customer's credit"
    said = {"cash": 595, "customer_credit": -238, "deferred_revenue": -300, "tax_payable": -57}
    assert await balances() == said


async def test_credits_are_never_drawn_twice_however_many_bill_at_once(
    open_tx,
    somebody,
    metered,
    used,
    granted,
    left,
):
    subscriptions = [await metered(amount=0) for _ in range(5)]
    await granted(2_500, name="all")
    await used(100, "2026-06-10")  # 10.00 for each of five subscriptions

    async def run(subscription):
        async with open_tx() as tx:
            await jobs.bill_due(tx, [subscription.ref], now=JULY)

    await asyncio.gather(*(run(each) for each in subscriptions))
    async with open_tx() as tx:
        found = (await invoicing.listing(tx, query=PageQuery(limit=50, after=None))).items
    drawn = [line.amount.minor for each in found for line in each.lines if line.kind.value == "prepaid"]
    assert (sum(drawn), await left()) == (-2_500, {"all": 0})
    assert sum(each.total.minor for each in found) == 2_500


async def test_taken_back_is_drawn_no_more(open_tx, metered, used, bill, billed, granted):
    await metered(amount=0)
    gift, _ = await granted(500)
    async with open_tx() as tx:
        await invoicing.void_prepaid(tx, grant_id=gift.id, now=utc("2026-06-05"))
    with pytest.raises(invoicing.PrepaidIsOver):
        async with open_tx() as tx:
            await invoicing.void_prepaid(tx, grant_id=gift.id, now=utc("2026-06-06"))
    await used(10, "2026-06-10")
    await bill(JULY)
    assert (await billed())[0][1] == [("usage", 100, "06-01"), ("recurring", 0, "07-01")]


async def test_a_credit_note_of_what_was_sold_takes_the_credits_back_too(
    open_tx, somebody, metered, used, bill, granted, left, balances, vat
):
    _, sale = await granted(1_000, is_paid=True)
    async with open_tx() as tx:
        await invoicing.credit_note(
            tx, invoice_id=sale.id, correction=invoicing.Correction(reason="Too much", amount_minor=357), now=JUNE
        )
        [grant] = (await invoicing.prepaid_grants(tx, query=PageQuery(limit=5), customer_id=somebody.id)).items
    assert (grant.left.minor, grant.is_usable) == (700, False)
    async with open_tx() as tx:
        await invoicing.credit_note(tx, invoice_id=sale.id, correction=invoicing.Correction(reason="All"), now=JUNE)
    assert await left() == {"": 0}
    assert await balances() == {}, "nothing was paid, nothing can be used, and nothing is owed"
    await metered(amount=0)
    await used(100, "2026-06-10")
    await bill(JULY)
    assert await balances() == {"receivable": 1_190, "revenue": -1_000, "tax_payable": -190}


async def test_credits_whose_price_was_refunded_with_what_it_bought_are_over(open_tx, granted, left):
    await granted(1_000, is_paid=True)
    _, sale = await granted(500, name="kept", is_paid=True)
    async with open_tx() as tx:
        refunds = [await _refunded(tx, sale, ends_access=False), await _refunded(tx, sale, ends_access=True)]
        for refund, is_over in zip(refunds, (False, True), strict=True):
            await on_refund_succeeded(tx, [refund], now=JUNE)
            [grant] = await prepaid.sold(tx, invoices=[sale.ref]) or [None]
            assert (grant is None) is is_over


async def _refunded(tx, sale, *, ends_access):
    event = RefundSucceeded(
        tenant_id=sale.tenant_id,
        refund_id=UUID(int=1),
        payment_id=UUID(int=2),
        invoice_id=sale.id,
        customer_id=sale.customer_id,
        amount=sale.total,
        settled_at=JUNE,
        ends_access=ends_access,
    )
    return Message(id=UUID(int=3), event=event, occurred_at=JUNE, actor="test")


async def test_what_a_gift_paid_for_is_not_given_back_as_money(
    open_tx, somebody, metered, used, bill, billed, granted, vat
):
    await metered(amount=0)
    await granted(600)
    event = await used(100, "2026-06-10")
    await bill(JULY)
    async with open_tx() as tx:
        await usage.cancel(tx, event_id=event, now=utc("2026-07-05"))
    await bill(AUGUST)
    assert (await billed())[-1][1] == [("usage_adjustment", -400, "06-01"), ("recurring", 0, "08-01")]
    async with open_tx() as tx:
        assert await invoicing.credit_balance(tx, customer_id=somebody.id) == {}
        dues = [each.due.minor for each in (await invoicing.listing(tx, query=PageQuery(limit=5))).items]
    assert dues == [0, 0], "4.76 was owed, and is owed no more"
