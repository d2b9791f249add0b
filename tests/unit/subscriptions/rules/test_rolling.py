"""What due instants bring, and what is closed with them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.catalog.model import Alignment, AnchorRule, Billing, PaidTime
from guilder.domain.subscriptions.model import NewSubscription, SegmentKind, Status, Terms, Turn
from guilder.domain.subscriptions.rules import changes, pauses, periods, rolling
from guilder.domain.subscriptions.rules.lifecycle import Step
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TENANT, CUSTOMER, PLAN, ID = (ids.new(START) for _ in range(4))


def terms(unit=Unit.MONTH, *, minor=3000, version=1, has_charges=False, quantity=1, **billing):
    return Terms(
        plan_id=PLAN,
        plan_code="pro",
        plan_version=version,
        plan_name="Pro",
        billing_cycle=unit.value,
        interval=Interval(unit),
        unit_amount=Money(minor, "EUR"),
        quantity=quantity,
        has_charges=has_charges,
        billing=Billing(**billing),
    )


def ordered(agreed=None, *, at=START, zone="UTC", **trial):
    return NewSubscription(
        tenant_id=TenantId(TENANT),
        customer_id=CustomerId(CUSTOMER),
        organization_id="acme",
        terms=agreed or terms(),
        starts_at=at,
        time_zone=zone,
        **trial,
    )


def active(agreed=None, *, at=START, zone="UTC", **trial):
    made = periods.begin(ordered(agreed, at=at, zone=zone, **trial), subscription_id=ID, now=at)
    return periods.activate(made) if made.status is Status.PROCESSING else made


def on(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def said(turns):
    return [(turn.turn.value, f"{turn.at:%Y-%m-%d}") for turn in turns]


def spans(segments, kind=None):
    return [
        (each.kind.value, f"{each.period.starts_at:%m-%d}", f"{each.period.ends_at:%m-%d}", f"{each.due_at:%m-%d}")
        for each in segments
        if kind in (None, each.kind)
    ]


def closed(turns):
    return [segment for turn in turns for segment in turn.segments]


def test_a_planned_change_takes_effect_on_its_date_within_the_period():
    planned = periods.planned(replace(active(), pending_terms=terms(minor=5000), pending_at=on("2026-02-10")))
    rolled, turns = rolling.roll(planned, now=on("2026-03-05"))
    assert said(turns) == [("changed", "2026-02-10"), ("renewed", "2026-02-28")]
    change, renewal = turns
    assert (change.before.terms.amount.minor, change.terms.amount.minor, change.period) == (3000, 5000, None)
    assert renewal.period.ends_at == on("2026-03-31T12:00")
    assert (rolled.pending_terms, rolled.pending_at) == (None, None)


def test_a_change_planned_for_a_later_period_leaves_the_ones_before_it_alone():
    planned = periods.planned(replace(active(), pending_terms=terms(minor=5000), pending_at=on("2026-04-10")))
    _, turns = rolling.roll(planned, now=on("2026-05-05"))
    assert [turn.terms.amount.minor for turn in turns] == [3000, 3000, 5000, 5000]
    assert said(turns)[2] == ("changed", "2026-04-10")


def test_a_change_on_the_day_that_the_period_ends_is_the_next_periods():
    planned = periods.planned(replace(active(), pending_terms=terms(minor=5000), pending_at=on("2026-02-28T12:00")))
    _, turns = rolling.roll(planned, now=on("2026-03-05"))
    assert [(turn.turn, turn.terms.amount.minor) for turn in turns] == [(Turn.RENEWED, 5000)]


@pytest.mark.parametrize(
    ("rule", "ends", "is_stub", "then"),
    [
        (AnchorRule.RESET, "2027-03-15T09:00", False, "2028-03-15T09:00"),
        (AnchorRule.KEEP, "2027-01-31T12:00", True, "2028-01-31T12:00"),
    ],
)
def test_a_month_becomes_a_year_under_both_anchors(rule, ends, is_stub, then):
    at = on("2026-03-15T09:00")
    monthly, _ = rolling.roll(active(), now=on("2026-03-01"))
    effect = changes.apply(monthly, terms(Unit.YEAR, interval_change=rule), at=at)
    assert effect.began_period
    yearly = effect.subscription
    assert yearly.current_period == Period(at, on(ends))
    assert (yearly.full_period == Period(START, on("2027-01-31T12:00"))) is is_stub
    rolled, _ = rolling.roll(yearly, now=on(ends))
    assert (rolled.current_period, rolled.full_period) == (Period(on(ends), on(then)), None)


def test_a_year_kept_on_its_anchor_becomes_months_of_the_31st():
    yearly = active(terms(Unit.YEAR))
    effect = changes.apply(yearly, terms(interval_change=AnchorRule.KEEP), at=on("2026-02-10"))
    monthly = effect.subscription
    assert monthly.current_period == Period(on("2026-02-10"), on("2026-02-28T12:00"))
    rolled, _ = rolling.roll(monthly, now=on("2026-03-01"))
    assert (rolled.current_period.ends_at, rolled.full_period) == (on("2026-03-31T12:00"), None)


def test_a_change_and_its_reverse_within_a_period_leave_the_period_as_it_was():
    before, at = active(), on("2026-02-10")
    there = changes.apply(before, terms(minor=9000), at=at).subscription
    assert changes.apply(there, before.terms, at=at).subscription == before


def test_an_ordinary_leap_day_is_kept_for_the_year_that_has_it():
    born = datetime(2028, 2, 29, 10, tzinfo=UTC)
    _, turns = rolling.roll(active(terms(Unit.YEAR), at=born), now=born + timedelta(days=365 * 8 + 3))
    assert [at for _, at in said(turns)] == [
        *("2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"),
        *("2033-02-28", "2034-02-28", "2035-02-28", "2036-02-29"),
    ]


def test_a_moved_billing_day_never_shortens_what_is_paid():
    moved = changes.move_billing_day(active(), alignment=Alignment.BILLING_DAY, billing_day=15)
    assert moved.current_period == active().current_period
    rolled, turns = rolling.roll(moved, now=on("2026-03-20"))
    assert said(turns) == [("renewed", "2026-02-28"), ("renewed", "2026-03-15")]
    stub, full = turns
    assert stub.period == Period(on("2026-02-28T12:00"), on("2026-03-15"))
    assert stub.subscription.full_period == Period(on("2026-02-15"), on("2026-03-15"))
    assert (full.period.ends_at, full.subscription.full_period) == (on("2026-04-15"), None)
    back = changes.move_billing_day(rolled, alignment=Alignment.ANNIVERSARY, billing_day=None)
    again, _ = rolling.roll(back, now=on("2026-04-15"))
    assert (again.current_period.ends_at, again.full_period) == (on("2026-05-15"), None)


def test_what_is_paid_when_the_day_moves_is_no_period_of_a_grid_that_began_years_before():
    # The last 29 February is three years back: there the new grid has its anchor.
    paid = active(terms(Unit.YEAR), at=on("2026-02-10"))
    moved = changes.move_billing_day(paid, alignment=Alignment.BILLING_DAY, billing_day=29)
    assert (moved.anchor_at, moved.period_number < 0) == (on("2024-02-29"), True)
    rolled, _ = rolling.roll(moved, now=on("2027-02-28"))
    assert (rolled.period_number, rolled.current_period) == (3, Period(on("2027-02-28"), on("2028-02-29")))


# 29 March 2026 has 23 hours in Amsterdam: what begins a day after it is a stub all the same.
SHORT_DAY, AFTER_IT = on("2026-03-28T23:00"), on("2026-03-29T22:00")


def test_a_stub_is_one_however_short_the_day_was_that_it_misses():
    begun = active(at=on("2026-02-27T23:00"), zone="Europe/Amsterdam")
    until_then = replace(begun, current_period=Period(begun.current_period.starts_at, AFTER_IT))
    again = changes.move_billing_day(until_then, alignment=Alignment.BILLING_DAY, billing_day=29)
    rolled, _ = rolling.roll(again, now=AFTER_IT)
    assert rolled.full_period.starts_at == SHORT_DAY


def test_a_trial_that_ends_a_short_day_after_the_billing_day_is_followed_by_a_stub():
    agreed = terms(alignment=Alignment.BILLING_DAY, billing_day=29)
    order = ordered(agreed, zone="Europe/Amsterdam", trial_ends_at=AFTER_IT)
    rolled, _ = rolling.roll(periods.begin(order, subscription_id=ID, now=START), now=AFTER_IT)
    assert (rolled.current_period.starts_at, rolled.full_period.starts_at) == (AFTER_IT, SHORT_DAY)


def test_a_fee_in_arrears_is_closed_with_each_period_and_each_change():
    arrears = active(terms(in_arrears=True))
    effect = changes.apply(arrears, terms(in_arrears=True, quantity=3), at=on("2026-02-10"))
    _, turns = rolling.roll(effect.subscription, now=on("2026-03-01"))
    segments = [*effect.segments, *closed(turns)]
    assert spans(segments) == [("fee", "01-31", "02-10", "02-28"), ("fee", "02-10", "02-28", "02-28")]
    assert [each.terms.quantity for each in segments] == [1, 3]
    assert [each.closes_period for each in segments] == [False, True]
    assert {each.full_period for each in segments} == {arrears.current_period}
    assert [turn.period for turn in turns] == [None]


def test_another_quantity_alone_does_not_cut_use_and_another_version_does():
    metered = active(terms(has_charges=True, grace_days=2))
    assert changes.apply(metered, terms(has_charges=True, grace_days=2, quantity=3), at=on("2026-02-10")).segments == ()
    effect = changes.apply(metered, terms(has_charges=True, version=2), at=on("2026-02-10"))
    assert spans(effect.segments) == [("usage", "01-31", "02-10", "03-02")]
    assert effect.subscription.usage_from == on("2026-02-10")


def test_use_of_a_year_is_closed_every_month_and_commitments_with_the_year():
    metered = active(terms(Unit.YEAR, has_charges=True, usage_interval=Interval(Unit.MONTH), grace_days=1))
    _, turns = rolling.roll(metered, now=on("2027-02-01"))
    assert [turn.turn for turn in turns] == [Turn.USAGE_CLOSED] * 11 + [Turn.RENEWED]
    segments = closed(turns)
    assert [each.period.ends_at.day for each in segments] == [28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31]
    assert [each.closes_period for each in segments] == [False] * 11 + [True]
    assert all(each.due_at - each.period.ends_at == DAY for each in segments)
    assert all(each.full_period == each.period for each in segments)


def test_use_in_a_trial_and_in_a_pause_is_in_no_segment():
    order = ordered(terms(has_charges=True, in_arrears=True), trial_days=14)
    trying = periods.begin(order, subscription_id=ID, now=START)
    running, turns = rolling.roll(trying, now=on("2026-02-20"))
    assert (said(turns), closed(turns)) == ([("trial_ended", "2026-02-14")], [])
    paused, segments = pauses.pause(running, step=Step.PAUSE, at=on("2026-02-20"))
    assert spans(segments) == [("fee", "02-14", "02-20", "02-20"), ("usage", "02-14", "02-20", "02-20")]
    resumed, is_new = pauses.resume(paused, at=on("2026-05-01"))
    assert (resumed.usage_from, resumed.fee_from, is_new) == (on("2026-05-01"), on("2026-05-01"), False)


def test_paid_time_is_there_again_after_a_pause():
    paused, _ = pauses.pause(active(), step=Step.PAUSE, at=on("2026-02-08T12:00"))
    assert (paused.status, paused.next_due_at) == (Status.PAUSED, None)
    resumed, is_new = pauses.resume(paused, at=on("2026-06-01"))
    assert not is_new
    assert resumed.current_period == Period(on("2026-06-01"), on("2026-06-21"))
    assert resumed.full_period == Period(on("2026-05-24"), on("2026-06-21")), "as long as the period that it is left of"
    _, turns = rolling.roll(resumed, now=on("2026-07-01"))
    assert [turn.period for turn in turns] == [Period(on("2026-06-21"), on("2026-07-21"))]
    assert turns[0].subscription.full_period is None


@pytest.mark.parametrize(
    ("billing", "period", "full"),
    [
        ({"paused_time": PaidTime.CREDIT}, ("2026-06-10", "2026-07-10"), None),
        ({"alignment": Alignment.CALENDAR}, ("2026-06-10", "2026-07-01"), ("2026-06-01", "2026-07-01")),
    ],
)
def test_a_new_period_begins_after_a_pause_whose_time_was_given_back(billing, period, full):
    before, _ = rolling.roll(active(terms(**billing)), now=on("2026-02-01"))
    paused, _ = pauses.pause(before, step=Step.PAUSE, at=on("2026-02-08T12:00"))
    resumed, is_new = pauses.resume(paused, at=on("2026-06-10"))
    assert is_new
    assert resumed.current_period == Period(*map(on, period))
    assert resumed.full_period == (Period(*map(on, full)) if full else None)


def test_a_pause_across_a_periods_end_bills_nothing_for_it():
    planned = replace(active(), pause_at_period_end=True, resume_at=on("2026-05-10"))
    _, turns = rolling.roll(planned, now=on("2026-06-15"))
    assert said(turns) == [("paused", "2026-02-28"), ("resumed", "2026-05-10"), ("renewed", "2026-06-10")]
    assert [turn.period for turn in turns] == [
        None,
        Period(on("2026-05-10"), on("2026-06-10")),
        Period(on("2026-06-10"), on("2026-07-10")),
    ]


def test_what_is_to_end_on_a_date_ends_then_within_its_period_with_what_it_used():
    leaving = periods.planned(replace(active(terms(in_arrears=True)), cancel_at=on("2026-03-10")))
    ended, turns = rolling.roll(leaving, now=on("2026-06-01"))
    assert said(turns) == [("renewed", "2026-02-28"), ("ended", "2026-03-10")]
    assert (ended.status, ended.ended_at) == (Status.CANCELED, on("2026-03-10"))
    assert spans(closed(turns)) == [("fee", "01-31", "02-28", "02-28"), ("fee", "02-28", "03-10", "03-10")]
    _, paid = rolling.roll(periods.planned(replace(active(), cancel_at=on("2026-02-10"))), now=on("2026-03-01"))
    assert paid[0].before.status is Status.ACTIVE, "what was paid for the rest is for the caller to give back"


def test_an_add_on_follows_its_parent_before_it_renews_at_that_instant():
    parent, add_on = replace(active(), cancel_at_period_end=True), replace(active(terms(minor=500)), parent_id=PLAN)
    _, theirs = rolling.roll(parent, now=on("2026-06-01"))
    ended, turns = rolling.roll(add_on, now=on("2026-06-01"), parent=[rolling.ParentTurn.of(each) for each in theirs])
    assert said(turns) == [("ended", "2026-02-28")]
    assert ended.ended_at == on("2026-02-28T12:00")


@pytest.mark.parametrize("in_arrears", [False, True])
def test_an_add_on_loses_the_rest_of_its_trial_when_its_parent_pauses(in_arrears):
    agreed = terms(in_arrears=in_arrears)
    in_trial = active(agreed, trial_days=14)
    pause = rolling.ParentTurn(START + 4 * DAY, Turn.PAUSED)
    resume = rolling.ParentTurn(START + 9 * DAY, Turn.RESUMED, paused_at=pause.at)
    paused = rolling.follow(in_trial, pause)
    resumed = rolling.follow(paused.subscription, resume)
    begun = Period(START + 9 * DAY, on("2026-03-09T12:00"))
    assert (resumed.subscription.current_period, resumed.subscription.full_period) == (begun, None)
    assert resumed.period == (None if in_arrears else begun)


def test_an_add_on_pauses_and_resumes_with_its_parent():
    parent = periods.planned(replace(active(), pause_at_period_end=True, resume_at=on("2026-04-01")))
    add_on = replace(active(terms(Unit.WEEK)), parent_id=PLAN)
    _, theirs = rolling.roll(parent, now=on("2026-04-02"))
    _, turns = rolling.roll(add_on, now=on("2026-04-02"), parent=[rolling.ParentTurn.of(each) for each in theirs])
    assert said(turns) == [
        *(("renewed", f"2026-02-{day:02}") for day in (7, 14, 21)),
        ("paused", "2026-02-28"),
        ("resumed", "2026-04-01"),
    ]


BILLINGS = st.builds(
    lambda alignment, day, in_arrears, rule, time, usage: {
        "alignment": alignment,
        "billing_day": day if alignment is Alignment.BILLING_DAY else None,
        "in_arrears": in_arrears,
        "interval_change": rule,
        "paused_time": time,
        "usage_interval": usage,
    },
    st.sampled_from(list(Alignment)),
    st.integers(1, 31),
    st.booleans(),
    st.sampled_from(list(AnchorRule)),
    st.sampled_from(list(PaidTime)),
    st.sampled_from([None, Interval(Unit.WEEK), Interval(Unit.MONTH)]),
)
TERMS = st.builds(
    lambda unit, minor, version, charges, billing: terms(
        unit, minor=minor, version=version, has_charges=charges, **billing
    ),
    st.sampled_from([Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR]),
    st.sampled_from([1000, 5000]),
    st.integers(1, 2),
    st.booleans(),
    BILLINGS,
)
DAYS = st.integers(1, 500)


@st.composite
def histories(draw):
    """A subscription with everything planned that can be planned, and the gaps between its runs."""
    zone = draw(st.sampled_from(["UTC", "Asia/Kolkata", "America/Los_Angeles", "Europe/Amsterdam"]))
    began = active(draw(TERMS), zone=zone)
    planned = replace(
        began,
        pending_terms=draw(st.none() | TERMS),
        pending_at=draw(st.none() | DAYS.map(lambda days: START + days * DAY)),
        cancel_at=draw(st.none() | DAYS.map(lambda days: START + days * DAY)),
        pause_at_period_end=draw(st.booleans()),
        resume_at=began.current_period.ends_at + draw(DAYS) * DAY,
    )
    return periods.planned(planned), draw(st.lists(st.integers(1, 200), min_size=1, max_size=8))


@given(histories())
def test_a_late_run_makes_what_runs_on_time_make(history):
    began, gaps = history
    at_once, all_turns = rolling.roll(began, now=START + sum(gaps) * DAY)
    by_and_by, turns, now = began, [], START
    for gap in gaps:
        now += gap * DAY
        by_and_by, more = rolling.roll(by_and_by, now=now)
        turns += more
    assert by_and_by == at_once
    assert turns == all_turns


@given(histories())
def test_segments_and_periods_tile_the_time_that_it_ran(history):
    began, gaps = history
    rolled, turns = rolling.roll(began, now=START + sum(gaps) * DAY)
    away = {turn.before.paused_at: turn.at for turn in turns if turn.turn is Turn.RESUMED}
    for kind in SegmentKind:
        made = [each for each in closed(turns) if each.kind is kind]
        assert all(one.period.ends_at <= other.period.starts_at for one, other in pairwise(made)), "no overlap"
        assert all(
            other.period.starts_at in (one.period.ends_at, away.get(one.period.ends_at))
            for one, other in pairwise(made)
            if one.terms == other.terms
        ), "no gap on the same terms, but for pauses"
        assert all(each.period.ends_at <= each.due_at for each in made)
        assert all(each.full_period.starts_at <= each.period.starts_at for each in made)
    if rolled.ended_at is None and rolled.status is not Status.PAUSED:
        assert rolled.next_due_at == periods.due_at(rolled)
        assert rolled.next_due_at > START + sum(gaps) * DAY
