"""What due instants bring. However late it is run, each step is taken at its own instant, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import TrialEnd
from guilder.domain.subscriptions.model import Rolled, Segment, Status, Subscription, Turn
from guilder.domain.subscriptions.rules import changes, grid, leaving, pauses, periods, segments, trials
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step, allows
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval

STEPS_MAX = 20_000  # one that began in the past may bring fifty years of days
# What an add-on does together with its parent.
SHARED = frozenset({Turn.PAUSED, Turn.RESUMED, Turn.ENDED})


class TooManyPeriods(Invalid):
    """It began too long ago: so many periods are not made up for at once."""

    code = "too_many_periods"


def check_steps(scheduled: Subscription, *, now: datetime) -> None:
    """Let something pass that began in the past, and whose periods since can be taken together.

    :raises TooManyPeriods: names the field
    """
    billing = scheduled.terms.billing
    intervals = [scheduled.terms.interval, *([billing.usage_interval] if billing.usage_interval else [])]
    since = scheduled.current_period.starts_at
    steps = sum(_number(scheduled, each, now) - _number(scheduled, each, since) for each in intervals)
    # A start, the end of a trial and what was planned are steps of their own.
    if steps > STEPS_MAX - 10:
        raise TooManyPeriods(f"it began {steps} periods ago: begin it later, or skip what is over", field="starts_at")


def _number(subscription: Subscription, interval: Interval, at: datetime) -> int:
    return grid.period_at(subscription.anchor_at, ZoneInfo(subscription.time_zone), interval, at)[0]


@dataclass(frozen=True, slots=True)
class ParentTurn:
    """What an add-on has to follow: its parent paused, resumed or ended at `at`."""

    at: datetime
    turn: Turn
    paused_at: datetime | None = None  # of one that resumed: what was paused with it is resumed with it

    @classmethod
    def of(cls, rolled: Rolled) -> "ParentTurn":
        return cls(rolled.at, rolled.turn, rolled.before.paused_at if rolled.before else None)


def roll(
    subscription: Subscription, *, now: datetime, has_method: bool = True, parent: Sequence[ParentTurn] = ()
) -> tuple[Subscription, list[Rolled]]:
    """Take every step that has fallen due up to `now`, in order: a late run gives just what runs on time would have.

    An add-on follows its parent before it does anything of its own at that instant.
    """
    turns: list[Rolled] = []
    for theirs in parent:
        subscription = _until(subscription, turns, before=theirs.at, has_method=has_method)
        followed = follow(subscription, theirs)
        if followed is not None:
            turns.append(followed)
            subscription = followed.subscription
    while subscription.next_due_at is not None and subscription.next_due_at <= now:
        subscription = _take(subscription, turns, has_method=has_method)
    return subscription, turns


def follow(subscription: Subscription, parent: ParentTurn) -> Rolled | None:
    """Do as the parent does; None where there is nothing to do: it has ended, or is paused for itself."""
    if parent.turn is Turn.ENDED and allows(subscription.status, Step.CANCEL):
        return _ended(subscription, step=Step.CANCEL, at=parent.at)
    if parent.turn is Turn.PAUSED:
        step = Step.PAUSE if allows(subscription.status, Step.PAUSE) else Step.LAPSE
        if allows(subscription.status, step):
            # It is resumed with its parent, not on a date of its own.
            return _paused(replace(subscription, resume_at=None), step=step, at=parent.at)
    if parent.turn is Turn.RESUMED and subscription.status is Status.PAUSED:
        return _resumed(subscription, at=parent.at) if subscription.paused_at == parent.paused_at else None
    return None


def _until(subscription: Subscription, turns: list[Rolled], *, before: datetime, has_method: bool) -> Subscription:
    while subscription.next_due_at is not None and subscription.next_due_at < before:
        subscription = _take(subscription, turns, has_method=has_method)
    return subscription


def _take(subscription: Subscription, turns: list[Rolled], *, has_method: bool) -> Subscription:
    assert len(turns) < STEPS_MAX, subscription.ref
    assert subscription.next_due_at is not None, subscription.ref
    turn = _step(subscription, at=subscription.next_due_at, has_method=has_method)
    turns.append(turn)
    return turn.subscription


def _step(subscription: Subscription, *, at: datetime, has_method: bool) -> Rolled:
    if subscription.status is Status.SCHEDULED:
        return _started(subscription, at=at)
    if subscription.cancel_at is not None and subscription.cancel_at <= at:
        return _ended(subscription, step=Step.CANCEL, at=at)
    if subscription.status is Status.PAUSED:
        return _resumed(subscription, at=at)
    if subscription.current_period.ends_at <= at:
        return _period_over(subscription, at=at, has_method=has_method)
    if subscription.pending_terms is not None and subscription.pending_at is not None and subscription.pending_at <= at:
        return _changed(subscription, at=at)
    return _usage_closed(subscription, at=at)


def _started(subscription: Subscription, *, at: datetime) -> Rolled:
    return _began(periods.start(subscription), Turn.STARTED, at=at)


def _period_over(subscription: Subscription, *, at: datetime, has_method: bool) -> Rolled:
    if subscription.cancel_at_period_end:
        return _ended(subscription, step=Step.EXPIRE, at=at)
    if leaving.pauses_with_period(subscription):
        return _paused(subscription, step=Step.LAPSE, at=at)
    if subscription.pause_at_period_end:
        subscription = replace(subscription, pause_at_period_end=False, resume_at=None)
    closed = segments.close(subscription, at=at, closes_period=True)
    after = periods.take_pending(subscription, at=at)
    if subscription.status is Status.TRIALING:
        if not has_method and _is_to_be_paid(after):
            if after.terms.billing.trial_end is TrialEnd.CANCEL:
                return _ended(subscription, step=Step.CANCEL, at=at)
            if after.terms.billing.trial_end is TrialEnd.PAUSE:
                return _paused(subscription, step=Step.LAPSE, at=at)
        return _began(_next_period(subscription, after, at=at), Turn.TRIAL_ENDED, at=at)
    return _began(_next_period(subscription, after, at=at), Turn.RENEWED, at=at, closed=closed)


def _is_to_be_paid(subscription: Subscription) -> bool:
    return not subscription.terms.amount.is_zero or subscription.terms.has_charges


def _next_period(before: Subscription, after: Subscription, *, at: datetime) -> Subscription:
    status = lifecycle.take(MOVES, before.status, Step.ROLL)
    after = after if after.status is status else replace(after, status=status)
    terms = after.terms
    if terms.interval != before.terms.interval:
        return changes.begin_interval(after, at=at)
    if before.status is Status.TRIALING:
        # A trial ends at an instant that somebody chose, and not on the grid.
        zone = ZoneInfo(after.time_zone)
        return periods.enter(after, grid.place(after.anchor_at, zone, terms.interval, at))
    here = grid.place_after(after.period_number, after.anchor_at, ZoneInfo(after.time_zone), terms.interval, at)
    return periods.enter(after, here)


def _began(after: Subscription, turn: Turn, *, at: datetime, closed: tuple[Segment, ...] = ()) -> Rolled:
    is_owed = after.status is not Status.TRIALING and not after.terms.billing.in_arrears
    period = after.current_period if is_owed else None
    return Rolled(subscription=after, turn=turn, at=at, period=period, terms=after.terms, segments=closed)


def _changed(subscription: Subscription, *, at: datetime) -> Rolled:
    terms = subscription.pending_terms
    assert terms is not None, subscription.ref
    effect = changes.apply(subscription, terms, at=at, trial_ends_at=trials.end_after(subscription, terms, at=at))
    after = effect.subscription
    is_owed = effect.began_period and not after.terms.billing.in_arrears
    return Rolled(
        subscription=after,
        turn=Turn.CHANGED,
        at=at,
        period=after.current_period if is_owed else None,
        terms=after.terms,
        before=subscription,
        segments=effect.segments,
    )


def _usage_closed(subscription: Subscription, *, at: datetime) -> Rolled:
    closed = segments.close_usage(subscription, at=at, closes_period=False)
    after = periods.planned(replace(subscription, usage_from=at))
    return Rolled(subscription=after, turn=Turn.USAGE_CLOSED, at=at, period=None, terms=after.terms, segments=closed)


def _paused(subscription: Subscription, *, step: Step, at: datetime) -> Rolled:
    after, closed = pauses.pause(subscription, step=step, at=at)
    return Rolled(
        subscription=after,
        turn=Turn.PAUSED,
        at=at,
        period=None,
        terms=after.terms,
        before=subscription if pauses.cuts_off(subscription, at=at) else None,
        segments=closed,
    )


def _resumed(subscription: Subscription, *, at: datetime) -> Rolled:
    after, is_new = pauses.resume(subscription, at=at)
    return replace(_began(after, Turn.RESUMED, at=at) if is_new else _went_on(after, at=at), before=subscription)


def _went_on(after: Subscription, *, at: datetime) -> Rolled:
    return Rolled(subscription=after, turn=Turn.RESUMED, at=at, period=None, terms=after.terms)


def _ended(subscription: Subscription, *, step: Step, at: datetime) -> Rolled:
    after = periods.end(subscription, step=step, at=at)
    closed = close_at_end(subscription, at=at)
    return Rolled(
        subscription=after,
        turn=Turn.ENDED,
        at=at,
        period=None,
        terms=after.terms,
        before=subscription if pauses.cuts_off(subscription, at=at) else None,
        segments=closed,
    )


def close_at_end(subscription: Subscription, *, at: datetime) -> tuple[Segment, ...]:
    """Close all that is open with the end. One that was suspended used nothing after its period."""
    if subscription.status is Status.PROCESSING:
        return ()  # never paid for, so never used
    return segments.close(subscription, at=min(at, subscription.current_period.ends_at), closes_period=True)
