"""What is planned and comes on its day, though something was moved meanwhile: the billing day, or a trial's end."""

import pytest

from guilder.domain.catalog.model import Alignment
from guilder.domain.subscriptions.model import Status
from guilder.domain.subscriptions.rules import changes, periods, rolling
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.kernel.period import Period, Unit
from tests.unit.subscriptions.rules.test_rolling import START, active, on, said, terms


@pytest.mark.parametrize(
    ("planned", "runs_to"),
    [
        ((Unit.YEAR,), "2026-03-15T00:00"),
        ((Unit.MONTH,), "2026-03-15T00:00"),
        ((Unit.WEEK,), "2026-03-07T12:00"),  # which has no day of the month
    ],
)
@pytest.mark.parametrize("pending_at", [None, on("2026-02-28T12:00")])
def test_what_is_planned_keeps_to_a_billing_day_that_was_moved_since(planned, runs_to, pending_at):
    pending = replace(active(), pending_terms=terms(*planned, minor=5000), pending_at=pending_at)
    moved = changes.move_billing_day(pending, alignment=Alignment.BILLING_DAY, billing_day=15)
    rolled, _ = rolling.roll(moved, now=on("2026-03-01"))
    assert rolled.current_period == Period(on("2026-02-28T12:00"), on(runs_to))
    assert rolled.terms.amount.minor == 5000
    has_day = rolled.terms.interval.unit is not Unit.WEEK
    assert rolled.terms.billing.billing_day == (15 if has_day else None)


def test_a_billing_day_moved_in_a_trial_holds_for_what_is_planned_for_its_end():
    trying = replace(active(trial_days=14), pending_terms=terms(Unit.YEAR, minor=5000))
    moved = changes.move_billing_day(trying, alignment=Alignment.BILLING_DAY, billing_day=1)
    assert (moved.status, moved.trial_ends_at) == (Status.TRIALING, trying.trial_ends_at)
    rolled, _ = rolling.roll(moved, now=on("2026-02-20"))
    assert rolled.current_period == Period(on("2026-02-14T12:00"), on("2026-03-01"))


@pytest.mark.parametrize(
    ("days", "brought", "ends"),
    [
        (30, [("changed", "2026-02-05")], "2026-03-02T12:00"),
        (14, [("changed", "2026-02-05")], "2026-02-14T12:00"),
        (3, [("changed", "2026-02-05"), ("trial_ended", "2026-02-05")], "2026-02-05T00:00"),
        (0, [("changed", "2026-02-05"), ("trial_ended", "2026-02-05")], "2026-02-05T00:00"),
        (None, [("changed", "2026-02-05")], "2026-02-14T12:00"),
    ],
)
def test_a_trial_takes_the_length_of_the_plan_that_it_changes_to_on_a_date(days, brought, ends):
    other = replace(terms(minor=5000), plan_id=ids.new(START), trial_days=days)
    planned = periods.planned(replace(active(trial_days=14), pending_terms=other, pending_at=on("2026-02-05")))
    rolled, turns = rolling.roll(planned, now=on("2026-02-10"))
    assert (said(turns), rolled.trial_ends_at) == (brought, on(ends))
    assert [turn.period for turn in turns[1:]] == [Period(on("2026-02-05"), on("2026-03-05"))] * (len(turns) - 1)


def test_more_of_the_same_plan_leaves_a_trial_its_end():
    more = replace(terms(quantity=2), trial_days=30)
    planned = periods.planned(replace(active(trial_days=14), pending_terms=more, pending_at=on("2026-02-05")))
    rolled, _ = rolling.roll(planned, now=on("2026-02-10"))
    assert (rolled.status, rolled.trial_ends_at) == (Status.TRIALING, planned.trial_ends_at)
