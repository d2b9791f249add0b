"""What is billed when it is over: the tables of docs/design/use.md, on a real database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Alignment, Billing
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import LineKind
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Amendment
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.metered import a_charge, graduated, per_unit


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


JUNE, JULY, AUGUST, SEPTEMBER = (utc(f"2026-{month:02}-01") for month in (6, 7, 8, 9))


async def test_use_is_billed_when_its_period_is_over_with_the_next_fee(metered, used, bill, billed):
    await metered()
    await used(7, "2026-06-10")
    await used(5, "2026-07-01")
    await bill(JULY)
    await bill(JULY)
    assert await billed() == [("2026-07-01", [("usage", 70, "06-01"), ("recurring", 1000, "07-01")])]


async def test_nothing_used_is_no_line(metered, bill, billed):
    await metered()
    await bill(JULY)
    assert await billed() == [("2026-07-01", [("recurring", 1000, "07-01")])]


async def test_use_that_comes_late_is_an_adjustment_on_the_next_invoice_and_again_only_if_it_changes(
    open_tx, metered, used, bill, billed
):
    await metered(a_charge(graduated((100, "0"), (None, "0.5"))))
    await used(180, "2026-06-15")
    second = await used(120, "2026-06-16")
    await bill(JULY)
    late = await used(50, "2026-06-20", now=utc("2026-07-05"))
    async with open_tx() as tx:
        await usage.amend(tx, event_id=second, amendment=Amendment(value=Decimal(100)), now=utc("2026-07-06"))
    await bill(AUGUST)
    async with open_tx() as tx:
        await usage.cancel(tx, event_id=late, now=utc("2026-08-06"))
    await bill(SEPTEMBER)
    await bill(utc("2026-10-01"))
    assert await billed() == [
        ("2026-07-01", [("usage", 100, "06-01"), ("recurring", 1000, "07-01")]),
        ("2026-08-01", [("usage_adjustment", 15, "06-01"), ("recurring", 1000, "08-01")]),
        ("2026-09-01", [("usage_adjustment", -25, "06-01"), ("recurring", 1000, "09-01")]),
        ("2026-10-01", [("recurring", 1000, "10-01")]),
    ]


async def test_a_fee_in_arrears_is_billed_with_the_use_beside_it(metered, used, bill, billed):
    await metered(billing=Billing(in_arrears=True))
    await used(7, "2026-06-10")
    await bill(JULY)
    assert await billed() == [("2026-07-01", [("recurring", 1000, "06-01"), ("usage", 70, "06-01")])]


async def test_a_grace_period_bills_use_alone_and_counts_what_came_meanwhile(metered, used, bill, billed):
    await metered(billing=Billing(grace_days=3))
    await used(7, "2026-06-10")
    await bill(JULY)
    await used(2, "2026-06-30", now=utc("2026-07-03"))
    await bill(utc("2026-07-04") - timedelta(microseconds=1))
    await bill(utc("2026-07-04"))
    assert await billed() == [
        ("2026-07-01", [("recurring", 1000, "07-01")]),
        ("2026-07-04", [("usage", 90, "06-01")]),
    ]


async def test_a_yearly_plan_bills_its_use_every_month(metered, used, bill, billed):
    await metered(billing=Billing(usage_interval=Interval(Unit.MONTH)), terms={"interval": Interval(Unit.YEAR)})
    await used(7, "2026-06-10")
    await used(3, "2026-07-10")
    await bill(AUGUST)
    assert await billed() == [("2026-07-01", [("usage", 70, "06-01")]), ("2026-08-01", [("usage", 30, "07-01")])]


async def test_a_late_run_bills_what_runs_on_time_would_have(metered, used, bill, billed):
    await metered(billing=Billing(grace_days=2, commitments=(Money(2_000, "EUR"),)))
    for day in ("2026-06-10", "2026-07-10", "2026-08-10"):
        await used(7, day)
    await bill(utc("2026-09-02"))
    assert await billed() == [
        ("2026-07-01", [("recurring", 1000, "07-01")]),
        ("2026-07-03", [("usage", 70, "06-01"), ("commitment", 1930, "06-01")]),
        ("2026-08-01", [("recurring", 1000, "08-01")]),
        ("2026-08-03", [("usage", 70, "07-01"), ("commitment", 930, "07-01")]),
        ("2026-09-01", [("recurring", 1000, "09-01")]),
    ]


async def test_groups_are_lines_of_their_own(metered, used, bill, billed):
    await metered(a_charge(group_by=("region",)))
    for value, region in ((3, "eu"), (4, "us"), (5, "eu")):
        await used(value, "2026-06-10", properties={"region": region})
    await bill(JULY)
    assert (await billed())[0][1][:2] == [("usage", 80, "06-01"), ("usage", 40, "06-01")]


async def test_a_commitment_is_made_up_for_and_given_back_when_use_comes_late(metered, used, bill, billed):
    await metered(billing=Billing(commitments=(Money(5_000, "EUR"),)), amount=0)
    await used(40, "2026-06-10")
    await bill(JULY)
    await used(30, "2026-06-20", now=utc("2026-07-05"))
    await used(600, "2026-07-20")
    await bill(AUGUST)
    assert await billed() == [
        ("2026-07-01", [("usage", 400, "06-01"), ("commitment", 4600, "06-01"), ("recurring", 0, "07-01")]),
        (
            "2026-08-01",
            [
                ("usage", 6000, "07-01"),
                ("usage_adjustment", 300, "06-01"),
                ("commitment", -300, "06-01"),
                ("recurring", 0, "08-01"),
            ],
        ),
    ]


async def test_what_has_ended_is_billed_up_to_its_end(open_tx, metered, used, bill, billed):
    subscription = await metered(billing=Billing(in_arrears=True))
    await used(7, "2026-06-10")
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=utc("2026-06-20"))
    await bill(JULY)
    await bill(AUGUST)
    assert await billed() == [("2026-07-01", [("recurring", 1000, "06-01"), ("usage", 70, "06-01")])]


async def test_a_negative_adjustment_gives_back_what_was_paid_and_no_more(open_tx, somebody, metered, used, bill, vat):
    await metered()
    reading = await used(100, "2026-06-10")
    await bill(JULY)
    async with open_tx() as tx:
        await catalog.set_default_tax_rate(
            tx, name="VAT", percent=Decimal(25), country="DE", legal_note="", now=utc("2026-07-02")
        )
        await usage.cancel(tx, event_id=reading, now=utc("2026-07-02"))
    await bill(AUGUST)
    async with open_tx() as tx:
        found = (await invoicing.listing(tx, query=PageQuery(limit=10, after=None))).items
    [adjusted] = [line for each in found for line in each.lines if line.kind is LineKind.USAGE_ADJUSTMENT]
    [original] = [line for each in found for line in each.lines if line.kind is LineKind.USAGE]
    assert (
        (adjusted.amount, adjusted.tax)
        == (-original.amount, -original.tax)
        == (Money(-1000, "EUR"), Money(-190, "EUR"))
    )
    assert adjusted.credits_line_id == original.id


@pytest.mark.parametrize(("is_inclusive", "units"), [(False, (5, 59)), (False, (1004, 2992)), (True, (5, 59))])
async def test_two_notes_give_back_the_tax_of_one_bill_to_the_cent(
    open_tx, metered, used, bill, billed, is_inclusive, units
):
    async with open_tx() as tx:
        await catalog.set_default_tax_rate(tx, name="VAT", percent=Decimal(10), country="DE", legal_note="", now=JUNE)
    charge = a_charge(model=per_unit(1), group_by=("region",))
    await metered(charge, amount=0, billing=Billing(is_tax_inclusive=is_inclusive))
    readings = [await used(n, "2026-06-10", properties={"region": f"{n:04}"}) for n in units]
    await bill(JULY)
    for reading, month in zip(readings, (AUGUST, SEPTEMBER), strict=True):
        async with open_tx() as tx:
            await usage.cancel(tx, event_id=reading, now=month - timedelta(days=9))
        await bill(month)
    await billed()
    async with open_tx() as tx:
        found = (await invoicing.listing(tx, query=PageQuery())).items
    assert (sum(each.tax.minor for each in found), sum(each.total.minor for each in found)) == (0, 0)


async def test_included_units_and_a_cap_are_for_a_full_period_and_their_part_for_a_part(metered, used, bill, billed):
    """Half of June: half of 100 units are included, and half of 20.00 is the most."""
    billing = Billing(alignment=Alignment.CALENDAR)
    await metered(
        a_charge(per_unit(10), included=Decimal(100), cap_minor=2_000), billing=billing, start=utc("2026-06-16")
    )
    await used(80, "2026-06-20")
    await bill(JULY)
    await used(400, "2026-07-20")
    await bill(AUGUST)
    assert [lines[0] for _, lines in await billed()] == [("usage", 300, "06-16"), ("usage", 2000, "07-01")]


@pytest.mark.parametrize("taken_back", ["credited", "void", "written off"])
async def test_corrected_use_is_not_given_back_where_nothing_is_left_of_what_was_billed(
    open_tx, somebody, metered, used, bill, billed, taken_back
):
    await metered(amount=0)
    event = await used(100, "2026-06-10")
    await bill(JULY)
    async with open_tx() as tx:
        [june] = (await invoicing.listing(tx, query=PageQuery(limit=5))).items
        if taken_back == "credited":
            await invoicing.credit_note(
                tx, invoice_id=june.id, correction=invoicing.Correction(reason="Wrong", amount_minor=700), now=JULY
            )
        else:
            verb = invoicing.void if taken_back == "void" else invoicing.give_up
            await verb(tx, refs=[june.ref], now=JULY)
        await usage.cancel(tx, event_id=event, now=utc("2026-07-05"))
    await bill(AUGUST)
    back = [("usage_adjustment", -300, "06-01")] if taken_back == "credited" else []
    assert (await billed())[-1] == ("2026-08-01", [*back, ("recurring", 0, "08-01")])
    async with open_tx() as tx:
        held = await invoicing.credit_balance(tx, customer_id=somebody.id)
        june = await invoicing.one(tx, invoice=june.id)
    assert held == {}, "nobody has paid for it"
    assert (
        (june.status, june.due.minor) == ("paid", 0)
        if back
        else (taken_back.replace("written off", "uncollectible"), 1_000)
    )
