"""How periods run: begin, roll, change at the end, opt out, recover."""

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.subscriptions.model import NewSubscription, Status, Terms, Turn
from guilder.domain.subscriptions.rules import periods, recovering, rolling, trials
from guilder.domain.subscriptions.rules.lifecycle import Step
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
TENANT, CUSTOMER, PLAN = (ids.new(START) for _ in range(3))


def terms(*, minor=3000, unit=Unit.MONTH, quantity=1):
    return Terms(
        plan_id=PLAN,
        plan_code="pro",
        plan_version=1,
        plan_name="Pro",
        billing_cycle=f"{unit}ly",
        interval=Interval(unit),
        unit_amount=Money(minor, "EUR"),
        quantity=quantity,
    )


def begun(*, trial_days=0, zone="UTC", at=START, agreed=None):
    order = NewSubscription(
        tenant_id=TenantId(TENANT),
        customer_id=CustomerId(CUSTOMER),
        organization_id="acme",
        terms=agreed or terms(),
        starts_at=at,
        time_zone=zone,
        trial_days=trial_days,
    )
    return periods.begin(order, subscription_id=ids.new(at), now=at)


def active(**over):
    return periods.activate(begun(**over))


def test_waits_for_its_first_payment():
    waiting = begun()
    assert (waiting.status, waiting.next_due_at) == (Status.PROCESSING, None)
    assert waiting.current_period == Period(START, datetime(2026, 2, 28, 12, 0, tzinfo=UTC))


def test_is_active_at_once_when_it_is_free():
    free = begun(agreed=terms(minor=0))
    assert (free.status, free.next_due_at) == (Status.ACTIVE, free.current_period.ends_at)


def test_begins_its_first_full_period_at_the_very_end_of_the_trial():
    trial = begun(trial_days=14, zone="America/Los_Angeles")
    assert trial.status is Status.TRIALING
    rolled, turns = rolling.roll(trial, now=trial.trial_ends_at)
    assert [turn.turn for turn in turns] == [Turn.TRIAL_ENDED]
    assert rolled.current_period.starts_at == trial.trial_ends_at
    assert (rolled.status, rolled.period_number) == (Status.ACTIVE, 0)
    assert rolling.roll(trial, now=trial.trial_ends_at - timedelta(microseconds=1))[1] == []


def test_sixty_months_of_a_31_january_are_each_billed_on_their_day():
    _, turns = rolling.roll(active(), now=START + relativedelta(months=60))
    assert [turn.at for turn in turns] == [START + relativedelta(months=n) for n in range(1, 61)]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_is_the_same_however_late_and_often_it_runs(gaps):
    end = START + timedelta(days=sum(gaps))
    at_once, all_turns = rolling.roll(active(), now=end)
    by_and_by, turns, now = active(), [], START
    for gap in gaps:
        now += timedelta(days=gap)
        by_and_by, more = rolling.roll(by_and_by, now=now)
        turns += more
    assert replace(by_and_by, id=at_once.id) == at_once
    assert [(turn.at, turn.period) for turn in turns] == [(turn.at, turn.period) for turn in all_turns]


def test_what_was_opted_out_of_ends_with_its_period():
    leaving = replace(active(), cancel_at_period_end=True)
    ended, turns = rolling.roll(leaving, now=START + timedelta(days=400))
    assert [turn.turn for turn in turns] == [Turn.ENDED]
    assert (ended.status, ended.ended_at) == (Status.EXPIRED, leaving.current_period.ends_at)
    assert ended.next_due_at is None


def test_takes_its_pending_terms_at_the_periods_end():
    changed = terms(minor=5000, quantity=2)
    rolled, turns = rolling.roll(replace(active(), pending_terms=changed), now=datetime(2026, 3, 1, tzinfo=UTC))
    assert (rolled.terms, rolled.pending_terms) == (changed, None)
    assert rolled.current_period.ends_at == datetime(2026, 3, 31, 12, tzinfo=UTC), "still counted from the anchor"
    assert turns[0].terms == changed


def test_counts_anew_when_its_interval_changes_at_the_periods_end():
    rolled, _ = rolling.roll(
        replace(active(), pending_terms=terms(unit=Unit.YEAR)), now=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert rolled.current_period == Period(datetime(2026, 2, 28, 12, tzinfo=UTC), datetime(2027, 2, 28, 12, tzinfo=UTC))


def test_recovers_within_what_is_paid_as_if_nothing_had_been():
    suspended = replace(active(), status=Status.SUSPENDED, next_due_at=None)
    back, is_new = recovering.recover(suspended, at=START + timedelta(days=10))
    assert (back.status, is_new, back.next_due_at) == (Status.ACTIVE, False, suspended.current_period.ends_at)


def test_recovers_after_it_with_a_period_that_begins_now():
    suspended = replace(active(), status=Status.SUSPENDED, next_due_at=None)
    at = START + timedelta(days=45)
    back, is_new = recovering.recover(suspended, at=at)
    assert is_new
    assert back.current_period.starts_at == at
    assert back.anchor_at == at


def test_paying_what_was_owed_does_not_renew_what_was_opted_out_of():
    leaving = replace(active(), status=Status.SUSPENDED, next_due_at=None, cancel_at_period_end=True)
    at = START + timedelta(days=45)
    ended, is_new = recovering.recover(leaving, at=at)
    assert (ended.status, ended.ended_at, is_new, ended.next_due_at) == (Status.EXPIRED, at, False, None)
    back, _ = recovering.recover(leaving, at=START + timedelta(days=10))
    assert (back.status, back.cancel_at_period_end) == (Status.ACTIVE, True), "what is paid for runs to its end"


def test_paying_what_was_owed_does_not_renew_what_was_to_be_paused():
    pausing = replace(active(), status=Status.SUSPENDED, next_due_at=None, pause_at_period_end=True)
    at = START + timedelta(days=45)
    paused, is_new = recovering.recover(pausing, at=at)
    assert (paused.status, paused.paused_at, paused.pause_at_period_end) == (Status.PAUSED, at, False)
    assert (is_new, paused.next_due_at) == (False, None)
    back, _ = recovering.recover(pausing, at=START + timedelta(days=10))
    assert (back.status, back.pause_at_period_end) == (Status.ACTIVE, True), "what is paid for runs to its end"


def test_what_was_to_be_paused_until_a_date_resumes_then_or_with_a_payment_that_comes_later():
    at = START + timedelta(days=45)
    pausing = replace(active(), status=Status.SUSPENDED, next_due_at=None, pause_at_period_end=True)
    resumes_at = at + timedelta(days=3)
    paused, _ = recovering.recover(replace(pausing, resume_at=resumes_at), at=at)
    assert (paused.status, paused.next_due_at) == (Status.PAUSED, resumes_at)
    resumed, _ = rolling.roll(paused, now=resumes_at)
    assert (resumed.status, resumed.current_period.starts_at) == (Status.ACTIVE, resumes_at)
    back, is_new = recovering.recover(replace(pausing, resume_at=at), at=at)
    assert (back.status, back.current_period.starts_at, is_new) == (Status.ACTIVE, at, True)
    assert (back.pause_at_period_end, back.resume_at) == (False, None)


def test_recovers_on_the_terms_that_were_planned_for_the_next_period():
    changed = terms(minor=1000, unit=Unit.YEAR)
    suspended = replace(active(), status=Status.SUSPENDED, next_due_at=None, pending_terms=changed)
    back, is_new = recovering.recover(suspended, at=START + timedelta(days=45))
    assert (back.terms, back.pending_terms, is_new) == (changed, None, True)
    assert back.current_period.ends_at == back.anchor_at.replace(year=2027)


def test_a_new_beginning_does_not_make_its_trial_forgotten():
    tried = begun(trial_days=14)
    rolled, _ = rolling.roll(tried, now=tried.trial_ends_at)
    assert periods.restart(rolled, at=START + timedelta(days=20)).trial_ends_at == tried.trial_ends_at


def test_catches_up_by_rolling_when_it_was_only_past_due():
    late = replace(active(), status=Status.PAST_DUE)
    back, is_new = recovering.recover(late, at=START + timedelta(days=45))
    assert (back.status, is_new) == (Status.ACTIVE, False)
    assert back.next_due_at == late.current_period.ends_at


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
@pytest.mark.parametrize("step", [Step.CANCEL, Step.EXPIRE])
def test_what_has_ended_does_not_end_again(status, step):
    ended = replace(active(), status=status, ended_at=START)
    with pytest.raises(IllegalStep):
        periods.end(ended, step=step, at=START)


def test_reminds_three_days_and_one_day_before_a_trials_end():
    end = START + timedelta(days=14)
    first = trials.next_reminder(end, after=START)
    assert (first, trials.days_left(end, due_at=first)) == (end - timedelta(days=3), 3)
    second = trials.next_reminder(end, after=first)
    assert (second, trials.days_left(end, due_at=second)) == (end - timedelta(days=1), 1)
    assert trials.next_reminder(end, after=second) is None
    assert trials.next_reminder(None, after=START) is None
