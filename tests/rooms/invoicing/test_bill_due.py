import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta

from guilder.domain.catalog.model import NewPrice
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Status
from guilder.domain.invoicing.rules import drafts
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed
from guilder.domain.subscriptions.model import Status as Standing
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft
from tests.support.builders.subscriptions import a_subscription, terms_of

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
EVERYTHING = PageQuery(limit=200, after=None)


@pytest.fixture
def bills(open_tx):
    """Return the tenant's invoices in the order of their dates."""

    async def read(**filters):
        async with open_tx() as tx:
            found = (await invoicing.listing(tx, query=EVERYTHING, **filters)).items
        return sorted(found, key=lambda each: (each.issued_at, each.number))

    return read


async def due(tx, tenant, now):
    return [row["id"] for row in await tx.fetch("select * from subscriptions.due($1, $2, 500)", tenant, now)]


async def run(open_tx, subscription, now):
    async with open_tx() as tx:
        return await jobs.bill_due(tx, [subscription.ref], now=now)


async def test_a_period_that_begins_is_billed_in_advance_and_collected(open_tx, subscribed, bills, balances):
    subscription = await subscribed(amount=3_000)
    begins = subscription.current_period.ends_at
    assert await run(open_tx, subscription, begins - timedelta(microseconds=1)) == 0
    assert await run(open_tx, subscription, begins) == 1
    assert await run(open_tx, subscription, begins) == 0
    [bill] = await bills()
    [line] = bill.lines
    assert (bill.status, bill.total, bill.issued_at) == (Status.OPEN, Money(3_000, "EUR"), begins)
    assert (line.period.starts_at, line.description, line.subscription_id) == (begins, "Pro", subscription.id)
    assert line.explanation["sentence"] == "30.00 EUR for Pro, billed in advance."
    async with open_tx() as tx:
        assert (await payments.current(tx, invoices=[bill.ref]))[bill.ref].amount == bill.total
    assert await balances() == {"receivable": 3_000, "deferred_revenue": -3_000}


async def test_sixty_months_from_the_31st_of_january(open_tx, subscribed, bills, balances):
    start = datetime(2026, 1, 31, 9, 30, tzinfo=AMSTERDAM)
    subscription = await subscribed(starts_at=start.astimezone(UTC), now=start.astimezone(UTC))
    local = start.replace(tzinfo=None)
    # Worked out by another library, on the wall clock of Amsterdam; 9:30 exists there every day.
    expected = [(local + relativedelta(months=month)).replace(tzinfo=AMSTERDAM) for month in range(1, 62)]
    for now in expected[:60]:
        assert await run(open_tx, subscription, now.astimezone(UTC)) == 1
    made = await bills()
    periods = [bill.lines[0].period for bill in made]
    assert [each.starts_at for each in periods] == [each.astimezone(UTC) for each in expected[:60]]
    assert all(before.ends_at == after.starts_at for before, after in pairwise(periods))
    assert [bill.issued_on for bill in made] == [each.date() for each in expected[:60]]
    assert [bill.number for bill in made] == [f"INV-{at.year}-{n:05}" for n, at in enumerate(expected[:60], start=1)]
    assert {bill.total.minor for bill in made} == {3_000}


@pytest.mark.parametrize("unit", [Unit.DAY, Unit.MONTH])
async def test_a_run_three_days_late_makes_what_runs_on_time_made(open_tx, customer, bills, unit):
    price = NewPrice(interval=Interval(unit), unit_amount=Money(700, "EUR"), cycle="c")
    async with open_tx() as tx:
        plan = await a_plan(tx, prices=(price,))
        on_time, late = [await a_subscription(tx, customer, plan, is_active=True) for _ in range(2)]
        dearer = terms_of(plan, unit_amount=Money(900, "EUR"))
        for each in (on_time, late):
            await subscriptions.change(tx, ref=each.ref, terms=dearer, at_period_end=True, now=NOW)
    first = on_time.current_period.ends_at
    instants = [first, *[first + timedelta(days=day) for day in range(1, 4)]] if unit is Unit.DAY else [first]
    for now in instants:
        await run(open_tx, on_time, now)
    await run(open_tx, late, first + timedelta(days=3))

    def told(bill):
        rows = [(each.period, each.amount, each.tax, each.description, each.explanation) for each in bill.lines]
        return bill.issued_at, bill.issued_on, bill.due_at, bill.total, rows

    made = [[told(bill) for bill in await bills(subscription_id=each.id)] for each in (on_time, late)]
    assert made[0] == made[1]
    assert len(made[0]) == len(instants)
    assert made[0][0][3] == Money(900, "EUR")
    async with open_tx() as tx:
        found = (await subscriptions.get(tx, refs=[on_time.ref, late.ref])).values()
    assert len({(each.current_period, each.next_due_at, each.period_number) for each in found}) == 1


async def test_a_late_run_numbers_by_date_over_all_that_it_bills(open_tx, customer, bills):
    price = NewPrice(interval=Interval(Unit.DAY), unit_amount=Money(700, "EUR"), cycle="daily")
    async with open_tx() as tx:
        plan = await a_plan(tx, prices=(price,))
        made = [await a_subscription(tx, customer, plan, is_active=True) for _ in range(3)]
    async with open_tx() as tx:
        await jobs.bill_due(tx, [each.ref for each in made], now=NOW + timedelta(days=3))
    numbers = [bill.number for bill in await bills()]
    assert numbers == [f"INV-2026-{number:05}" for number in range(1, 10)]


async def test_two_runs_at_once_bill_a_period_once(open_tx, subscribed, bills):
    subscription = await subscribed()
    now = subscription.current_period.ends_at
    done = await asyncio.gather(*[run(open_tx, subscription, now) for _ in range(6)])
    assert sorted(done) == [0, 0, 0, 0, 0, 1]
    assert len(await bills()) == 1


async def test_what_was_billed_already_is_left_out_and_the_rest_is_billed(open_tx, subscribed, customer, bills):
    first, second = await subscribed(), await subscribed()
    now = first.current_period.ends_at
    fee = drafts.fee_item(first.id, replace(first.current_period, starts_at=now, ends_at=now + timedelta(days=1)))
    async with open_tx() as tx:
        draft = a_draft(customer)
        billed = replace(draft, lines=(replace(draft.lines[0], billed_item=fee),))
        await invoicing.finalize(tx, drafts=[billed], via=Via.LINK, now=NOW)
        assert await jobs.bill_due(tx, [first.ref, second.ref], now=now) == 2
    assert await bills(subscription_id=first.id) == []
    assert len(await bills(subscription_id=second.id)) == 1


async def test_a_trial_costs_nothing_and_its_end_is_billed_at_that_instant(open_tx, subscribed, bills, tenant):
    subscription = await subscribed(trial_days=14, is_active=False)
    ends = subscription.trial_ends_at
    async with open_tx() as tx:
        assert await due(tx, tenant, ends - timedelta(seconds=1)) == []
        assert await due(tx, tenant, ends) == [subscription.id]
    await run(open_tx, subscription, ends + timedelta(hours=5))
    [bill] = await bills()
    assert (bill.issued_at, bill.lines[0].period.starts_at, bill.total.minor) == (ends, ends, 3_000)


async def test_a_free_plan_makes_invoices_over_nothing_that_are_paid(open_tx, subscribed, bills):
    subscription = await subscribed(amount=0, is_active=False)
    await run(open_tx, subscription, subscription.current_period.ends_at)
    [bill] = await bills()
    assert (bill.status, bill.total.minor) == (Status.PAID, 0)


async def test_what_was_opted_out_of_ends_unbilled(open_tx, subscribed, bills):
    subscription = await subscribed()
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=NOW)
    assert await run(open_tx, subscription, subscription.current_period.ends_at) == 1
    assert await bills() == []
    async with open_tx() as tx:
        assert (await subscriptions.one(tx, ref=subscription.ref)).status is Standing.EXPIRED


async def test_a_batch_of_200_takes_as_many_statements_as_one(open_tx, subscribed, customer, counted):
    async with open_tx() as tx:
        plan = await a_plan(tx)
        others = [await a_customer(tx) for _ in range(20)]
        made = [await a_subscription(tx, others[n % 20], plan, is_active=True) for n in range(202)]
    now = max(each.current_period.ends_at for each in made)
    taken = []
    for batch in (made[:1], made[1:2], made[2:]):
        async with open_tx() as tx:
            counted.clear()
            assert await jobs.bill_due(tx, [each.ref for each in batch], now=now) == len(batch)
            taken.append(len(counted))
    assert taken[1] == taken[2]
    assert taken[2] < 30


async def test_a_recovered_subscription_is_billed_for_the_period_that_it_began(open_tx, subscribed, bills):
    subscription = await subscribed()
    back = subscription.current_period.ends_at + timedelta(days=9)
    async with open_tx() as tx:
        await subscriptions.suspend(tx, refs=[subscription.ref], now=NOW)
        begun = (await subscriptions.recover(tx, refs=[subscription.ref], now=back)).begun
        made = await invoicing.bill_periods(tx, begun=begun, issued_at=back, now=back)
        assert await invoicing.bill_periods(tx, begun=begun, issued_at=back, now=back) == []
    assert [(bill.issued_at, bill.lines[0].period.starts_at) for bill in made] == [(back, back)]
    assert await bills() == made


async def test_a_change_works_from_what_is_billed_and_not_void(open_tx, subscribed, customer):
    subscription = await subscribed(amount=3_000)
    eur = lambda minor: Money(minor, "EUR")
    middle = NOW + (subscription.current_period.ends_at - NOW) / 2
    dearer = replace(subscription, terms=replace(subscription.terms, unit_amount=eur(5_000)))

    async def lines_of(tx, cause, before=subscription, after=dearer):
        changed = Changed(before=before, after=after)
        [lines] = await invoicing.change_lines(tx, changed=[changed], cause=[cause], at=middle)
        return lines

    async with open_tx() as tx:
        assert [line.amount for line in await lines_of(tx, "a")] == [eur(2_500)], "nothing is billed yet"
        fee = drafts.first_period(subscription, order_id=None, issued_at=NOW)
        [bill] = await invoicing.finalize(tx, drafts=[fee], via=Via.LINK, now=NOW)
        lines = await lines_of(tx, "a")
        assert [line.amount for line in lines] == [eur(-1_500), eur(2_500)]
        change = replace(fee, lines=tuple(lines), issued_at=middle)
        [more] = await invoicing.finalize(tx, drafts=[change], via=Via.LINK, now=middle)
        assert more.total == eur(1_000)
        back = await lines_of(tx, "b", before=dearer, after=subscription)
        assert [line.amount for line in back] == [eur(-2_500), eur(1_500)]
        await invoicing.void(tx, refs=[more.ref], now=middle)
        assert await lines_of(tx, "a") == lines
        await invoicing.void(tx, refs=[bill.ref], now=middle)
        assert [line.amount for line in await lines_of(tx, "a")] == [eur(2_500)]
