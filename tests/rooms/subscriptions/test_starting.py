"""Starts on other dates, and trials."""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.catalog.model import Alignment, TrialEnd
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Turn
from guilder.domain.subscriptions.rules.rolling import TooManyPeriods
from guilder.domain.subscriptions.rules.trials import TrialTooLong
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_plan
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import terms_of

DAY = timedelta(days=1)


async def test_begins_on_its_date_and_waits_for_its_payment_then(subscribed, roll, do, heard, found_due, tenant):
    begins = NOW + 10 * DAY
    made = await subscribed(starts_at=begins, is_active=False)
    assert (made.status, made.starts_at, made.next_due_at) == (Status.SCHEDULED, begins, begins)
    assert await roll(made, now=begins - timedelta(microseconds=1)) == []
    assert [row["id"] for row in await found_due("due", tenant, begins)] == [made.id]
    [started] = await roll(made, now=begins)
    assert (started.turn, started.at, started.period) == (Turn.STARTED, begins, made.current_period)
    assert (started.subscription.status, started.subscription.next_due_at) == (Status.PROCESSING, None)
    [active] = await do("activate", refs=[made.ref], now=begins + DAY)
    assert (active.status, active.next_due_at) == (Status.ACTIVE, made.current_period.ends_at)
    assert await heard() == ["subscription.created", "subscription.activated"]


async def test_what_began_in_the_past_brings_every_period_since(subscribed, roll, do):
    began = datetime(2025, 12, 31, 12, tzinfo=UTC)
    made = await subscribed(starts_at=began, is_active=False)
    turns = await roll(made, now=NOW)
    assert [turn.turn for turn in turns] == [Turn.STARTED, Turn.RENEWED, Turn.RENEWED]
    assert [f"{turn.at:%d %b}" for turn in turns] == ["31 Dec", "31 Jan", "28 Feb"]
    assert all(turn.period == turn.subscription.current_period for turn in turns)
    assert (await do("one", ref=made.ref)).status is Status.ACTIVE


async def test_what_began_in_the_past_may_skip_what_is_over(subscribed):
    made = await subscribed(starts_at=datetime(2025, 12, 31, 12, tzinfo=UTC), skips_past=True, is_active=False)
    assert made.status is Status.ACTIVE
    assert (made.current_period.starts_at, made.full_period) == (datetime(2026, 2, 28, 12, tzinfo=UTC), None)


async def test_a_fee_in_arrears_is_owed_for_nothing_at_the_start(subscribed, roll):
    made = await subscribed(billing={"in_arrears": True}, is_active=False)
    assert (made.status, made.fee_from) == (Status.ACTIVE, NOW)
    [renewed] = await roll(made, now=made.current_period.ends_at)
    assert renewed.period is None
    [segment] = renewed.segments
    assert (segment.period, segment.full_period, segment.due_at) == (
        made.current_period,
        made.current_period,
        renewed.at,
    )


async def test_a_scheduled_trial_begins_on_its_date_and_reminds_of_its_end(subscribed, roll, found_due, tenant, heard):
    made = await subscribed(starts_at=NOW + DAY, trial_days=14, is_active=False)
    [started] = await roll(made, now=NOW + DAY)
    assert (started.turn, started.period, started.subscription.status) == (Turn.STARTED, None, Status.TRIALING)
    [reminder] = await found_due("trial_reminders_due", tenant, NOW + 30 * DAY)
    assert reminder["due_at"] == started.subscription.trial_ends_at - 3 * DAY
    assert await heard() == ["subscription.created", "subscription.activated"]


async def test_a_calendar_plan_begins_with_a_stub_of_the_month_that_holds_it(subscribed, roll):
    began = datetime(2026, 3, 11, 12, tzinfo=UTC)
    made = await subscribed(billing={"alignment": Alignment.CALENDAR}, starts_at=began, now=began)
    assert made.current_period.starts_at == began
    assert made.current_period.ends_at == datetime(2026, 3, 31, 22, tzinfo=UTC), "1 April, 00:00 in Amsterdam"
    assert made.full_period.starts_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    [renewed] = await roll(made, now=made.current_period.ends_at)
    assert (renewed.subscription.full_period, renewed.period.ends_at) == (None, datetime(2026, 4, 30, 22, tzinfo=UTC))


async def test_an_extended_trial_ends_later_and_reminds_again(subscribed, do, roll, found_due, tenant, heard):
    made = await subscribed(trial_days=14, is_active=False)
    until = made.trial_ends_at + 10 * DAY
    longer = await do("extend_trial", ref=made.ref, until=until, now=made.trial_ends_at - DAY)
    assert (longer.current_period.starts_at, longer.trial_ends_at, longer.next_due_at) == (NOW, until, until)
    [reminder] = await found_due("trial_reminders_due", tenant, until)
    assert reminder["due_at"] == until - 3 * DAY
    assert (await heard())[-1] == "trial.extended"
    [ended] = await roll(made, now=until)
    assert (ended.turn, ended.at, ended.period.starts_at) == (Turn.TRIAL_ENDED, until, until)


async def test_a_trial_is_not_made_shorter_nor_begun_again(subscribed, do):
    made = await subscribed(trial_days=14, is_active=False)
    with pytest.raises(subscriptions.TrialNotLonger):
        await do("extend_trial", ref=made.ref, until=made.trial_ends_at, now=NOW)
    active = await subscribed()
    with pytest.raises(IllegalStep):
        await do("extend_trial", ref=active.ref, until=NOW + 99 * DAY, now=NOW)


@pytest.mark.parametrize(
    ("rule", "has_method", "turn", "status"),
    [
        (TrialEnd.INVOICE, False, Turn.TRIAL_ENDED, Status.ACTIVE),
        (TrialEnd.CANCEL, False, Turn.ENDED, Status.CANCELED),
        (TrialEnd.PAUSE, False, Turn.PAUSED, Status.PAUSED),
        (TrialEnd.PAUSE, True, Turn.TRIAL_ENDED, Status.ACTIVE),
    ],
)
async def test_a_trial_without_a_method_ends_as_the_plan_says(subscribed, roll, rule, has_method, turn, status):
    made = await subscribed(billing={"trial_end": rule}, trial_days=14, is_active=False)
    [taken] = await roll(made, now=made.trial_ends_at, without_method=[] if has_method else [made.ref])
    assert (taken.turn, taken.at, taken.subscription.status) == (turn, made.trial_ends_at, status)
    assert (taken.period is None) == (turn is not Turn.TRIAL_ENDED)


async def test_a_trial_that_was_paused_at_its_end_begins_its_first_period_when_resumed(subscribed, roll, do):
    made = await subscribed(billing={"trial_end": TrialEnd.PAUSE}, trial_days=14, is_active=False)
    await roll(made, now=made.trial_ends_at, without_method=[made.ref])
    back = await do("resume", ref=made.ref, now=made.trial_ends_at + 5 * DAY)
    assert back.began_period
    assert back.after.current_period.starts_at == made.trial_ends_at + 5 * DAY


async def test_a_change_in_a_trial_keeps_its_start_and_takes_the_new_length(subscribed, do, found_due, tenant):
    made = await subscribed(trial_days=14, is_active=False)
    ends_at = NOW + 30 * DAY
    changed = await do("change", ref=made.ref, terms=made.terms, trial_ends_at=ends_at, now=NOW + DAY)
    assert (changed.after.status, changed.after.current_period.starts_at) == (Status.TRIALING, NOW)
    assert (changed.after.trial_ends_at, changed.after.next_due_at) == (ends_at, ends_at)
    [reminder] = await found_due("trial_reminders_due", tenant, ends_at)
    assert reminder["due_at"] == ends_at - 3 * DAY


@pytest.fixture
async def other(open_tx):
    """The terms of another plan."""
    async with open_tx() as tx:
        return terms_of(await a_plan(tx, code="other", amount=5_000))


async def test_a_change_on_a_date_in_a_trial_takes_the_new_length_then(subscribed, do, roll, found_due, tenant, other):
    made = await subscribed(trial_days=14, is_active=False)
    longer = replace(other, trial_days=30)
    planned = await do("change", ref=made.ref, terms=longer, at=NOW + 5 * DAY, now=NOW)
    assert (planned.after.pending_terms, planned.after.trial_ends_at) == (longer, made.trial_ends_at)
    [changed] = await roll(made, now=NOW + 6 * DAY)
    ends_at = datetime(2026, 3, 31, 11, tzinfo=UTC)  # 30 dates after 1 March, 13:00 in Amsterdam
    assert (changed.turn, changed.subscription.trial_ends_at) == (Turn.CHANGED, ends_at)
    [reminder] = await found_due("trial_reminders_due", tenant, ends_at)
    assert reminder["due_at"] == ends_at - 3 * DAY


async def test_without_a_method_a_trial_that_ends_with_a_change_ends_as_the_new_plan_says(subscribed, do, roll, other):
    made = await subscribed(trial_days=14, is_active=False)
    none = replace(other, trial_days=0, billing=replace(other.billing, trial_end=TrialEnd.PAUSE))
    at = NOW + 5 * DAY
    await do("change", ref=made.ref, terms=none, at=at, now=NOW)
    turns = await roll(made, now=at, without_method=[made.ref])
    assert [(turn.turn, turn.at) for turn in turns] == [(Turn.CHANGED, at), (Turn.PAUSED, at)]


async def test_a_change_to_what_has_no_trial_left_ends_it_at_once(subscribed, do, roll):
    made = await subscribed(trial_days=14, is_active=False)
    now = NOW + 5 * DAY
    changed = await do("change", ref=made.ref, terms=made.terms, trial_ends_at=NOW, now=now)
    assert changed.after.next_due_at == now
    [ended] = await roll(made, now=now)
    assert (ended.turn, ended.period.starts_at) == (Turn.TRIAL_ENDED, now)


@pytest.mark.parametrize("year", [2037, 9999])
async def test_a_trial_of_more_than_ten_years_is_refused(subscribed, do, year):
    ends_at = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(TrialTooLong) as refused:
        await subscribed(trial_ends_at=ends_at)
    assert refused.value.field == "trial_ends_at"
    made = await subscribed(trial_days=3650)
    with pytest.raises(TrialTooLong):
        await do("extend_trial", ref=made.ref, until=ends_at, now=NOW)


async def test_more_periods_than_can_be_made_up_for_are_refused(subscribed, roll):
    long_ago, days = NOW - 100 * 365 * DAY, {"interval": Interval(Unit.DAY)}
    with pytest.raises(TooManyPeriods) as refused:
        await subscribed(starts_at=long_ago, terms=days)
    assert refused.value.field == "starts_at"
    skipping = await subscribed(starts_at=long_ago, terms=days, skips_past=True)
    assert skipping.current_period.holds(NOW)


async def test_days_to_pay_are_agreed_to_at_the_start(subscribed, do):
    made = await subscribed(terms_days=14)
    assert (await do("one", ref=made.ref)).terms_days == 14
