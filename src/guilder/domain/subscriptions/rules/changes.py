"""Other terms, another billing day, a longer trial: what each does to the periods."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Alignment, AnchorRule
from guilder.domain.subscriptions.model import Segment, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import grid, periods, segments
from guilder.kernel.noun import replace
from guilder.kernel.period import Period


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of a change within a period."""

    subscription: Subscription
    segments: tuple[Segment, ...] = ()
    began_period: bool = False


def apply(subscription: Subscription, terms: Terms, *, at: datetime, trial_ends_at: datetime | None = None) -> Effect:
    """Put other terms in force at `at`, within the current period.

    What was used on the old terms is closed. Another interval begins a new period: a full one that is counted from here
    (reset), or a stub up to where the old grid's next period of the new length begins (keep). A trial goes on, to
    `trial_ends_at` if that is said.
    """
    changed = replace(subscription, terms=terms, pending_terms=None, pending_at=None)
    if subscription.status is Status.TRIALING:
        return Effect(try_until(changed, trial_ends_at or subscription.current_period.ends_at))
    if terms.interval == subscription.terms.interval:
        return _within(subscription, changed, at=at)
    # A new period begins at once: what the old one leaves behind is billed at once, too.
    closed = segments.close(subscription, at=at, closes_period=False)
    return Effect(begin_interval(changed, at=at), closed, began_period=True)


def _within(before: Subscription, changed: Subscription, *, at: datetime) -> Effect:
    terms = changed.terms
    due_from = segments.next_usage_boundary(before) or before.current_period.ends_at
    closed = segments.close_fee(before, at=at, due_from=before.current_period.ends_at, closes_period=False)
    changed = replace(changed, fee_from=segments.open_from(at, before.fee_from) if terms.billing.in_arrears else None)
    if segments.cuts_usage(before.terms, terms):
        closed += segments.close_usage(before, at=at, due_from=due_from, closes_period=False)
        open_from = segments.open_from(at, before.usage_from)
        changed = replace(changed, usage_from=open_from if terms.has_charges else None)
    return Effect(periods.planned(changed), closed)


def begin_interval(subscription: Subscription, *, at: datetime) -> Subscription:
    """Begin a period of another length at `at`, by the rule of the terms that are now in force.

    Where they keep to dates of the calendar, it is a stub up to the next such date, whatever the rule.
    """
    terms, zone = subscription.terms, ZoneInfo(subscription.time_zone)
    if terms.billing.interval_change is AnchorRule.RESET or grid.is_aligned(terms.billing, terms.interval):
        return periods.restart(subscription, at=at)
    return periods.enter(subscription, grid.place(subscription.anchor_at, zone, terms.interval, at))


def try_until(subscription: Subscription, ends_at: datetime) -> Subscription:
    """Let the trial end at `ends_at`, from where the periods are counted then. It keeps its start."""
    terms, zone = subscription.terms, ZoneInfo(subscription.time_zone)
    starts_at, old_end = subscription.current_period.starts_at, subscription.current_period.ends_at
    # Terms without a trial end it where it stands; one that began this very instant still has a length.
    ends_at = max(ends_at, starts_at + timedelta(microseconds=1))
    is_own_grid = grid.is_aligned(terms.billing, terms.interval) or subscription.anchor_at == old_end
    anchor = grid.anchor_for(terms.billing, terms.interval, ends_at, zone) if is_own_grid else subscription.anchor_at
    number, _ = grid.period_at(anchor, zone, terms.interval, ends_at)
    return periods.planned(
        replace(
            subscription,
            anchor_at=anchor,
            period_number=number - 1,
            current_period=Period(starts_at, ends_at),
            trial_ends_at=ends_at,
        )
    )


def move_billing_day(subscription: Subscription, *, alignment: Alignment, billing_day: int | None) -> Subscription:
    """Let full periods begin on another date. The paid period stays; from its end a stub runs to the new date.

    Back to the anniversary means the date on which the present period ends. A trial goes on as it is, and periods are
    counted from its end. What is planned keeps to the new date, too: of several wishes the last one counts.
    """
    terms = _moved(subscription.terms, alignment, billing_day)
    pending = subscription.pending_terms
    moved = replace(
        subscription, terms=terms, pending_terms=pending and _planned_to_move(pending, alignment, billing_day)
    )
    zone, ends_at = ZoneInfo(subscription.time_zone), subscription.current_period.ends_at
    if subscription.status is Status.TRIALING:
        return try_until(moved, ends_at)
    anchor = grid.anchor_for(terms.billing, terms.interval, ends_at, zone)
    number, _ = grid.period_at(anchor, zone, terms.interval, ends_at)
    # Not the number before: the present period does not end where one of the new grid begins. Nor that of a later one,
    # for it is none of the new grid, whose anchor may be years back (29 February).
    return periods.planned(replace(moved, anchor_at=anchor, period_number=min(number - 2, -2)))


def _planned_to_move(pending: Terms, alignment: Alignment, billing_day: int | None) -> Terms:
    moved = _moved(pending, alignment, billing_day)
    # A day of the month means nothing to days and weeks: those are counted as was agreed.
    has_none = alignment is Alignment.BILLING_DAY and not grid.is_aligned(moved.billing, moved.interval)
    return pending if has_none else moved


def _moved(terms: Terms, alignment: Alignment, billing_day: int | None) -> Terms:
    return replace(terms, billing=replace(terms.billing, alignment=alignment, billing_day=billing_day))
