"""Every turn of a subscription, billed: starts, changes, trials' ends and ends on their dates."""

from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog.model import Aggregation, Alignment, Billing, TrialEnd, Unused
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_arrears import AUGUST, JULY, JUNE, utc
from tests.support.builders.metered import a_metered, a_metered_plan
from tests.support.builders.subscriptions import terms_of

WHOLE = Billing(alignment=Alignment.CALENDAR)


@pytest.fixture
def standing(open_tx):
    async def read(subscription):
        async with open_tx() as tx:
            return (await subscriptions.one(tx, ref=subscription.ref)).status

    return read


async def test_what_was_scheduled_is_billed_when_it_starts_and_waits_for_its_payment(
    open_tx,
    somebody,
    bill,
    billed,
    standing,
):
    async with open_tx() as tx:
        plan = await a_metered_plan(tx, amount=1_000)
        made = await a_metered(tx, somebody, plan, starts_at=JULY, now=JUNE, is_active=False)
    await bill(JULY - timedelta(microseconds=1))
    assert await billed() == []
    await bill(JULY)
    assert await billed() == [("2026-07-01", [("recurring", 1000, "07-01")])]
    assert await standing(made) is Status.PROCESSING


@pytest.mark.parametrize(
    ("choice", "status", "bills"),
    [
        (TrialEnd.INVOICE, Status.ACTIVE, [("2026-07-01", [("recurring", 1000, "07-01")])]),
        (TrialEnd.CANCEL, Status.CANCELED, []),
        (TrialEnd.PAUSE, Status.PAUSED, []),
    ],
)
async def test_a_trial_without_a_method_ends_as_its_plan_says(
    open_tx,
    somebody,
    bill,
    billed,
    standing,
    choice,
    status,
    bills,
):
    async with open_tx() as tx:
        plan = await a_metered_plan(tx, amount=1_000)
        made = await a_metered(
            tx,
            somebody,
            plan,
            billing=Billing(trial_end=choice),
            starts_at=JUNE,
            now=JUNE,
            trial_ends_at=JULY,
            is_active=False,
        )
    await bill(JULY)
    assert (await billed(), await standing(made)) == (bills, status)


async def test_a_planned_change_rates_each_part_on_its_own_terms_with_its_part_of_the_commitment(
    open_tx,
    somebody,
    metered,
    used,
    bill,
    billed,
):
    """30.00 and then 60.00 a month; 100.00 and then 200.00 committed: half of each in June."""
    first = replace(WHOLE, commitments=(Money(10_000, "EUR"),))
    subscription = await metered(amount=3_000, billing=first)
    async with open_tx() as tx:
        await invoicing.bill_periods(tx, begun=[subscription], issued_at=JUNE, now=JUNE)
        second = replace(first, commitments=(Money(20_000, "EUR"),))
        dearer = await a_metered_plan(tx, amount=6_000, billing=second)
        terms = replace(terms_of(dearer), billing=second, has_charges=True)
        await subscriptions.change(tx, ref=subscription.ref, terms=terms, at=utc("2026-06-16"), now=JUNE)
    await used(200, "2026-06-10")
    await used(300, "2026-06-20")
    await bill(JULY)
    # 150.00 at least; 30.00 - 15.00 + 30.00 of fees and 20.00 + 30.00 of use: 55.00 are missing.
    assert await billed() == [
        ("2026-06-01", [("recurring", 3_000, "06-01")]),
        ("2026-06-16", [("proration_credit", -1_500, "06-16"), ("proration_charge", 3_000, "06-16")]),
        (
            "2026-07-01",
            [
                ("usage", 2_000, "06-01"),
                ("usage", 3_000, "06-16"),
                ("commitment", 5_500, "06-01"),
                ("recurring", 6_000, "07-01"),
            ],
        ),
    ]


async def test_an_end_on_a_date_bills_the_use_and_gives_back_what_was_paid(
    open_tx,
    metered,
    used,
    bill,
    billed,
):
    subscription = await metered(amount=3_000, billing=replace(WHOLE, unused_on_cancel=Unused.CREDIT))
    async with open_tx() as tx:
        await invoicing.bill_periods(tx, begun=[subscription], issued_at=JUNE, now=JUNE)
        await subscriptions.cancel(tx, ref=subscription.ref, at=utc("2026-06-16"), now=JUNE)
    await used(20, "2026-06-10")
    await bill(AUGUST)
    assert await billed() == [
        ("2026-06-01", [("recurring", 3_000, "06-01")]),
        ("2026-06-16", [("usage", 200, "06-01"), ("proration_credit", -1_500, "06-16")]),
    ]
    async with open_tx() as tx:
        found = (await invoicing.listing(tx, query=PageQuery(limit=5), subscription_id=subscription.id)).items
        assert await invoicing.credits_of(tx, customer_id=subscription.customer_id) == []
    assert [each.due.minor for each in found] == [0, 1_700], "what is not paid yet is owed less"


async def test_a_level_that_is_weighed_is_billed_for_as_long_as_it_stood_and_late_changes_reach_on(
    open_tx,
    somebody,
    used,
    bill,
    billed,
):
    async with open_tx() as tx:
        plan = await a_metered_plan(tx, amount=0, aggregation=Aggregation.WEIGHTED_SUM)
        await a_metered(tx, somebody, plan, starts_at=JUNE, now=JUNE)
    await used(10, "2026-06-16")
    await bill(JULY)
    await bill(AUGUST)
    await used(-10, "2026-06-16", now=utc("2026-08-02"))
    await bill(utc("2026-09-01"))
    free = ("recurring", 0)
    assert await billed() == [
        ("2026-07-01", [("usage", 50, "06-01"), (*free, "07-01")]),
        ("2026-08-01", [("usage", 100, "07-01"), (*free, "08-01")]),
        (
            "2026-09-01",
            [("usage_adjustment", -50, "06-01"), ("usage_adjustment", -100, "07-01"), (*free, "09-01")],
        ),
    ]


async def test_a_batch_sends_as_many_statements_as_one_does(open_tx, somebody, used, counted):
    async with open_tx() as tx:
        plan = await a_metered_plan(tx, amount=1_000, billing=Billing(commitments=(Money(9_000, "EUR"),)))
        made = [await a_metered(tx, somebody, plan, starts_at=JUNE, now=JUNE) for _ in range(6)]
    await used(10, "2026-06-10")
    sent = []
    for some in (made[:1], made[1:2], made[2:]):
        counted.clear()
        async with open_tx() as tx:
            assert await jobs.bill_due(tx, [each.ref for each in some], now=JULY) == len(some)
        sent.append(len(counted))
    assert sent[1] == sent[2]  # the first one begins the series of numbers


async def test_a_segment_that_somebody_else_is_at_is_left_to_them(open_tx, metered, used, bill, billed):
    subscription = await metered(billing=Billing(grace_days=1))
    await used(7, "2026-06-10")
    await bill(JULY)
    due = utc("2026-07-02")
    async with open_tx() as mine:
        [segment] = await subscriptions.open_segments(mine, subscriptions=[subscription.ref])
        assert await jobs.bill_segments_due(mine, [segment.ref], now=due) == 1
        async with open_tx() as theirs:
            assert await jobs.bill_segments_due(theirs, [segment.ref], now=due) == 0
    await bill(due)
    assert (await billed())[1:] == [("2026-07-02", [("usage", 70, "06-01")])]
    assert Ref(segment.tenant_id, segment.subscription_id) == subscription.ref


async def test_the_quantity_on_a_line_is_exact(open_tx, metered, used, bill):
    await metered()
    await used("0.125", "2026-06-10")
    await used("1.5", "2026-06-11")
    await bill(JULY)
    async with open_tx() as tx:
        found = await tx.fetchval("select quantity from invoicing.lines where kind = 'usage'")
    assert found == Decimal("1.625")
