"""Promo codes redeemed: exact under concurrency, and taken off invoices in order."""

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Duration, NewPromoCode
from guilder.domain.catalog.rules.promotions import PromoUsedUp, PromoUsedUpByCustomer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import LineKind, Status
from guilder.domain.payments.model import Via
from guilder.kernel.errors import NotFound
from guilder.kernel.money import Money
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, a_line, an_invoice

LATER = NOW + timedelta(days=1)


@pytest.fixture
def redeemed(open_tx, customer):
    """Make a code and redeem it for the customer."""

    async def redeem(code="TEN", *, subscription_id=None, **over):
        async with open_tx() as tx:
            await catalog.create_promo_code(tx, promo=a_code(code, **over), now=NOW)
            return await redeem_in(tx, customer, code, subscription_id=subscription_id)

    return redeem


def a_code(code, **over):
    said = {"code": code, "name": code.title(), "duration": Duration.FOREVER}
    return NewPromoCode(**{**said, **({} if "amount" in over else {"percent": Decimal(10)}), **over})


async def redeem_in(tx, customer, code, **over):
    said = {"subscription_id": None, "plan_id": None, "product_id": None, "is_first_purchase": True, "currency": "EUR"}
    return await invoicing.redeem(tx, customer_id=customer.id, code=code, now=NOW, **{**said, **over})


async def test_fifty_at_once_redeem_a_code_of_four_exactly_four_times(open_tx):
    async with open_tx() as tx:
        await catalog.create_promo_code(tx, promo=a_code("FOUR", redemptions_max=4), now=NOW)
        customers = [await a_customer(tx) for _ in range(50)]

    async def redeem(customer):
        async with open_tx() as tx:
            return await redeem_in(tx, customer, "FOUR")

    done = await asyncio.gather(*[redeem(customer) for customer in customers], return_exceptions=True)
    assert Counter(type(each).__name__ for each in done) == {"Discount": 4, "PromoUsedUp": 46}
    async with open_tx() as tx:
        assert (await catalog.promo_code(tx, code="FOUR")).redemptions == 4
        assert await tx.fetchval("select count(*) from invoicing.discounts") == 4
        with pytest.raises(PromoUsedUp):
            await redeem_in(tx, customers[0], "FOUR")


async def test_one_customer_redeems_a_code_as_often_as_it_may_however_many_ask_at_once(open_tx, customer):
    async with open_tx() as tx:
        await catalog.create_promo_code(tx, promo=a_code("TWICE", redemptions_max_per_customer=2), now=NOW)

    async def redeem(_):
        async with open_tx() as tx:
            return await redeem_in(tx, customer, "TWICE")

    done = await asyncio.gather(*[redeem(n) for n in range(12)], return_exceptions=True)
    assert Counter(type(each).__name__ for each in done) == {"Discount": 2, "PromoUsedUpByCustomer": 10}
    with pytest.raises(PromoUsedUpByCustomer):
        await redeem(13)


async def test_discounts_stack_in_order_and_the_line_says_so(open_tx, customer, vat, redeemed):
    await redeemed("TEN")
    await redeemed("FIVER", amount=Money(500, "EUR"))
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000, 2_000, -100)
        read = await invoicing.one(tx, invoice=made.id)
        uses = await tx.fetch("select amount_minor from invoicing.discount_uses order by amount_minor")
    assert read == made
    assert [(line.amount.minor, line.discount.minor if line.discount else 0) for line in made.lines] == [
        (733, 267),  # 100, then 900 of 2700 of 500
        (1_467, 533),
        (-100, 0),
    ]
    assert (made.subtotal.minor, made.discount.minor, made.tax.minor) == (2_100, 800, 399)
    assert [row["amount_minor"] for row in uses] == [300, 500]
    assert [each["off_this_line"] for each in made.lines[0].explanation["discounts"]] == [100, 167]


async def test_it_is_for_so_many_invoices_and_a_void_gives_one_back(open_tx, customer, redeemed):
    await redeemed("THRICE", duration=Duration.PERIODS, periods=3)
    async with open_tx() as tx:
        drafts = [a_draft(customer, 1_000) for _ in range(2)]
        made = await invoicing.finalize(tx, drafts=drafts, via=Via.LINK, now=NOW)
    async with open_tx() as tx:
        made += [await an_invoice(tx, customer, amount) for amount in (0, 1_000, 1_000)]
        [spent] = await invoicing.discounts(tx, customer_id=customer.id)
        await invoicing.void(tx, refs=[made[1].ref], now=LATER)
        [freed] = await invoicing.discounts(tx, customer_id=customer.id)
        again = await an_invoice(tx, customer, 1_000)
    assert [each.total.minor for each in made] == [900, 900, 0, 900, 1_000]
    assert (spent.periods_left, freed.periods_left) == (0, 1)
    assert again.total.minor == 900


async def test_all_of_it_taken_off_is_paid_at_once(open_tx, customer, redeemed):
    await redeemed("FREE", percent=Decimal(100))
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000)
    assert (made.total.minor, made.status) == (0, Status.PAID)


async def test_it_is_for_one_subscription_or_for_everything(open_tx, customer, redeemed, subscribed):
    subscription = await subscribed()
    await redeemed("MINE", subscription_id=subscription.id)
    async with open_tx() as tx:
        mixed = (a_line(1_000, subscription_id=subscription.id), a_line(1_000))
        made = await an_invoice(tx, customer, lines=mixed)
        other = await an_invoice(tx, customer, 1_000)
    assert [line.amount.minor for line in made.lines] == [900, 1_000]
    assert other.total.minor == 1_000


async def test_what_is_ended_takes_nothing_more(open_tx, customer, redeemed):
    discount = await redeemed("TEN")
    async with open_tx() as tx:
        for _ in range(2):
            assert (await invoicing.end_discount(tx, discount_id=discount.id, now=NOW)).ended_at == NOW
        assert (await an_invoice(tx, customer, 1_000)).total.minor == 1_000
        with pytest.raises(NotFound):
            await invoicing.end_discount(tx, discount_id=customer.id, now=NOW)


async def test_drafts_that_take_no_discount_take_none(open_tx, customer, redeemed):
    await redeemed("TEN")
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000, takes_discounts=False)
        undiscountable = await an_invoice(tx, customer, lines=(a_line(1_000, is_discountable=False),))
    assert (made.total.minor, undiscountable.total.minor) == (1_000, 1_000)


async def test_a_change_takes_what_its_period_took_and_neither_it_nor_its_void_counts(open_tx, customer, redeemed):
    await redeemed("ONCE", duration=Duration.ONCE)

    def change_of(line, n):
        return (
            a_line(-450, kind=LineKind.PRORATION_CREDIT, is_discountable=False, credits_line_id=line.id),
            a_line(1_000 * n, kind=LineKind.PRORATION_CHARGE, explanation={"share": [1, 2]}),
        )

    async with open_tx() as tx:
        first = await an_invoice(tx, customer, 1_000)
        changed = await an_invoice(tx, customer, lines=change_of(first.lines[0], 2))
        again = await an_invoice(tx, customer, lines=change_of(changed.lines[1], 3))
        later = await an_invoice(tx, customer, 1_000)
        [spent] = await invoicing.discounts(tx, customer_id=customer.id)
        await invoicing.void(tx, refs=[again.ref], now=LATER)
        [still_spent] = await invoicing.discounts(tx, customer_id=customer.id)
    assert [each.total.minor for each in (first, changed, again, later)] == [900, 1_350, 2_250, 1_000]
    assert (spent.periods_left, still_spent.periods_left) == (0, 0)


def changed_for(line, unused, rest, share):
    return (
        a_line(-unused, kind=LineKind.PRORATION_CREDIT, is_discountable=False, credits_line_id=line.id),
        a_line(rest, kind=LineKind.PRORATION_CHARGE, explanation={"share": share}),
    )


async def test_a_change_takes_of_an_amount_what_its_own_line_took_and_not_what_others_did(open_tx, customer, redeemed):
    await redeemed("TENOFF", amount=Money(1_000, "EUR"))
    async with open_tx() as tx:
        first = await an_invoice(tx, customer, 3_000, 3_000)  # a fee, and the use of the time before
        same = await an_invoice(tx, customer, lines=changed_for(first.lines[0], 1_250, 1_500, [1, 2]))
        again = await an_invoice(tx, customer, lines=changed_for(same.lines[1], 625, 1_500, [1, 4]))
    # The fee is 25.00 after its 5.00: half of it is given back, and costs as much again; then a quarter, of twice the price.
    assert [each.total.minor for each in (first, same, again)] == [5_000, 0, 1_500 - 125 - 625]


@pytest.mark.parametrize(("amount", "total"), [(1_000, 1_000), (2_500, 0)])
async def test_a_change_within_a_stub_takes_of_an_amount_as_much_of_its_time_as_the_stub_did(
    open_tx, customer, redeemed, amount, total
):
    await redeemed("OFF", amount=Money(amount, "EUR"))
    fee = a_line(2_000, kind=LineKind.RECURRING, explanation={"share": [20, 30]})
    async with open_tx() as tx:
        stub = await an_invoice(tx, customer, lines=(fee,))
        same = await an_invoice(tx, customer, lines=changed_for(stub.lines[0], total // 2, 1_000, [10, 30]))
        again = await an_invoice(tx, customer, lines=changed_for(same.lines[1], total // 4, 500, [5, 30]))
    # 10.00 off 20 days are 5.00 off the last ten of them.
    assert [each.total.minor for each in (stub, same, again)] == [total, 0, 0]
