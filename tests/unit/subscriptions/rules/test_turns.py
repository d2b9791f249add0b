"""What a due instant brings where it may bring one thing or another: the ends of trials, add-ons, what is owed for a turn."""

from dataclasses import replace as replaced

import pytest

from guilder.domain.catalog.model import PaidTime, TrialEnd
from guilder.domain.subscriptions.model import Status, Turn
from guilder.domain.subscriptions.rules import changes, pauses, periods, rolling
from guilder.domain.subscriptions.rules.lifecycle import Step
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit
from tests.unit.subscriptions.rules.test_rolling import DAY, PLAN, START, active, on, ordered, terms

FREE, METERED = {"minor": 0}, {"minor": 0, "has_charges": True}


@pytest.mark.parametrize(
    ("agreed", "trial_end", "has_method", "brings"),
    [
        ({}, TrialEnd.CANCEL, False, (Turn.ENDED, Status.CANCELED)),
        ({}, TrialEnd.PAUSE, False, (Turn.PAUSED, Status.PAUSED)),
        ({}, TrialEnd.INVOICE, False, (Turn.TRIAL_ENDED, Status.ACTIVE)),
        (METERED, TrialEnd.CANCEL, False, (Turn.ENDED, Status.CANCELED)),
        (METERED, TrialEnd.PAUSE, False, (Turn.PAUSED, Status.PAUSED)),
        (FREE, TrialEnd.CANCEL, False, (Turn.TRIAL_ENDED, Status.ACTIVE)),
        (FREE, TrialEnd.PAUSE, False, (Turn.TRIAL_ENDED, Status.ACTIVE)),
        ({}, TrialEnd.CANCEL, True, (Turn.TRIAL_ENDED, Status.ACTIVE)),
        ({}, TrialEnd.PAUSE, True, (Turn.TRIAL_ENDED, Status.ACTIVE)),
    ],
)
def test_a_trial_ends_as_the_plan_says_where_there_is_something_to_pay_and_nothing_to_pay_it_with(
    agreed, trial_end, has_method, brings
):
    trying = active(terms(trial_end=trial_end, **agreed), trial_days=14)
    after, [turn] = rolling.roll(trying, now=START + 14 * DAY, has_method=has_method)
    assert (turn.turn, after.status, turn.at) == (*brings, START + 14 * DAY)
    is_paid_for = turn.turn is Turn.TRIAL_ENDED
    assert turn.period == (Period(START + 14 * DAY, on("2026-03-14T12:00")) if is_paid_for else None)


@pytest.mark.parametrize("in_arrears", [False, True])
def test_a_turn_owes_its_period_in_advance_and_nothing_while_it_is_tried(in_arrears):
    order = ordered(terms(in_arrears=in_arrears), trial_days=7)
    to_start = periods.begin(order, subscription_id=PLAN, now=START - 2 * DAY)
    _, [started] = rolling.roll(to_start, now=START)
    assert (started.turn, started.subscription.status, started.period) == (Turn.STARTED, Status.TRIALING, None)
    planned = replace(
        active(terms(in_arrears=in_arrears)),
        pending_terms=terms(Unit.YEAR, minor=9000, in_arrears=in_arrears),
        pending_at=START + 3 * DAY,
    )
    _, [changed] = rolling.roll(periods.planned(planned), now=START + 3 * DAY)
    assert changed.turn is Turn.CHANGED
    assert (changed.period is None) is in_arrears


def test_a_plan_of_another_price_within_the_period_owes_no_period_of_its_own():
    planned = replace(active(), pending_terms=terms(minor=9000), pending_at=START + 3 * DAY)
    _, [changed] = rolling.roll(periods.planned(planned), now=START + 3 * DAY)
    assert (changed.turn, changed.period) == (Turn.CHANGED, None)


@pytest.mark.parametrize("turn", [Turn.ENDED, Turn.PAUSED])
def test_an_add_on_that_has_ended_follows_nobody(turn):
    gone = periods.end(replace(active(), parent_id=PLAN), step=Step.CANCEL, at=START + DAY)
    assert rolling.follow(gone, rolling.ParentTurn(START + 2 * DAY, turn)) is None


def test_an_add_on_that_was_paused_for_itself_is_not_resumed_with_its_parent():
    alone, _ = pauses.pause(replace(active(), parent_id=PLAN), step=Step.PAUSE, at=START + DAY)
    resume = rolling.ParentTurn(START + 5 * DAY, Turn.RESUMED, paused_at=START + 2 * DAY)
    assert rolling.follow(alone, resume) is None
    together = rolling.follow(alone, replaced(resume, paused_at=START + DAY))
    assert (together.turn, together.subscription.status) == (Turn.RESUMED, Status.ACTIVE)


@pytest.mark.parametrize("turn", [Turn.RESUMED, Turn.RENEWED, Turn.CHANGED])
def test_an_add_on_that_runs_does_not_heed_its_parents_other_turns(turn):
    assert rolling.follow(replace(active(), parent_id=PLAN), rolling.ParentTurn(START + DAY, turn)) is None


def test_an_add_on_that_is_paused_does_not_heed_its_parents_renewal():
    paused, _ = pauses.pause(replace(active(), parent_id=PLAN), step=Step.PAUSE, at=START + DAY)
    assert rolling.follow(paused, rolling.ParentTurn(START + 2 * DAY, Turn.RENEWED)) is None


def test_what_a_pause_takes_away_is_told_and_what_is_over_is_not():
    add_on = replace(active(terms(paused_time=PaidTime.CREDIT)), parent_id=PLAN)
    within = rolling.follow(add_on, rolling.ParentTurn(START + DAY, Turn.PAUSED))
    assert within.before == add_on
    at_end = rolling.follow(add_on, rolling.ParentTurn(add_on.current_period.ends_at, Turn.PAUSED))
    assert at_end.before is None
    expired = replace(add_on, cancel_at_period_end=True)
    _, [ended] = rolling.roll(expired, now=add_on.current_period.ends_at)
    assert (ended.turn, ended.before) == (Turn.ENDED, None)


def test_time_that_was_kept_goes_on_and_owes_nothing():
    paused, _ = pauses.pause(replace(active(), parent_id=PLAN), step=Step.PAUSE, at=START + 2 * DAY)
    resumed = rolling.follow(paused, rolling.ParentTurn(START + 9 * DAY, Turn.RESUMED, paused_at=paused.paused_at))
    assert (resumed.period, resumed.before) == (None, paused)
    assert resumed.subscription.current_period.ends_at == active().current_period.ends_at + 7 * DAY


@pytest.mark.parametrize(
    ("agreed", "years", "is_refused"),
    [
        ({"unit": Unit.DAY}, 54, False),
        ({"unit": Unit.DAY}, 55, True),
        ({"unit": Unit.YEAR}, 60, False),
        ({"unit": Unit.YEAR, "usage_interval": Interval(Unit.DAY)}, 54, False),
        ({"unit": Unit.YEAR, "usage_interval": Interval(Unit.DAY)}, 55, True),
    ],
)
def test_so_many_periods_are_made_up_for_and_no_more(agreed, years, is_refused):
    began = active(terms(**agreed), at=START.replace(year=START.year - years))
    if not is_refused:
        rolling.check_steps(began, now=START)
        return
    with pytest.raises(rolling.TooManyPeriods, match="it began 20"):
        rolling.check_steps(began, now=START)


def test_a_change_now_says_whether_a_period_began_with_it():
    assert not changes.apply(active(), terms(minor=9000), at=START + DAY).began_period
    assert changes.apply(active(), terms(Unit.YEAR, minor=9000), at=START + DAY).began_period
