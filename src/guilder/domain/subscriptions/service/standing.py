"""How a subscription stands with what is owed for it, and what it is charged with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import (
    SubscriptionMethodChanged,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionSuspended,
)
from guilder.domain.subscriptions.model import Changed, Segment, Status, Subscription, Turn
from guilder.domain.subscriptions.rules import recovering, rolling
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step, allows
from guilder.domain.subscriptions.rules.rolling import ParentTurn
from guilder.domain.subscriptions.service.arrears import fall_due_with_end
from guilder.domain.subscriptions.service.following import follow
from guilder.domain.subscriptions.service.reading import current
from guilder.domain.subscriptions.service.telling import changed, ended, event, paused
from guilder.kernel import lifecycle
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class Recovered(NamedTuple):
    """What came of it that subscriptions are behind no more: periods that began, and add-ons that ended or paused with
    what they belong to, within theirs."""

    begun: Sequence[Subscription]
    cut_off: Sequence[Changed]


async def set_payment_method(tx: Tx, *, ref: Ref, payment_method_id: UUID, now: datetime) -> Subscription:
    subscription = await current(tx, ref=ref, now=now)
    moved = await use_methods(tx, methods={subscription.ref: payment_method_id}, now=now)
    return moved[0] if moved else subscription


async def use_methods(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> list[Subscription]:
    """Charge these subscriptions with other methods from now on."""
    found = await store.lock(tx, sorted(methods))
    moved = [replace(s, payment_method_id=methods[s.ref]) for s in found if s.payment_method_id != methods[s.ref]]
    await store.save(tx, moved)
    events = [event(SubscriptionMethodChanged, s, payment_method_id=methods[s.ref]) for s in moved]
    outbox.announce(tx, events, now=now)
    return moved


async def mark_past_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """A payment failed: periods run on, while it is tried again. What is not active is left alone."""
    behind = [s for s in await store.lock(tx, refs) if s.status is Status.ACTIVE]
    marked = [replace(s, status=lifecycle.take(MOVES, s.status, Step.FALL_BEHIND)) for s in behind]
    await store.save(tx, marked)
    outbox.announce(tx, [event(SubscriptionPastDue, s) for s in marked], now=now)
    return marked


async def suspend(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """Every try failed: nothing more is billed until what is owed is paid."""
    running = [s for s in await store.lock(tx, refs) if s.status in (Status.ACTIVE, Status.PAST_DUE)]
    suspended = [replace(s, status=lifecycle.take(MOVES, s.status, Step.SUSPEND), next_due_at=None) for s in running]
    await store.save(tx, suspended)
    outbox.announce(tx, [event(SubscriptionSuspended, s) for s in suspended], now=now)
    return suspended


async def recover(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> Recovered:
    """What was owed is paid. Return what that brought, which the caller has to bill.

    :raises StillDue: an add-on of what ends or pauses with it has to be rolled first
    """
    behind = [s for s in await store.lock(tx, refs) if allows(s.status, Step.RECOVER)]
    recovered = [recovering.recover(s, at=now) for s in behind]
    await store.save(tx, [s for s, _ in recovered])
    await store.insert_segments(tx, _left_behind(behind, recovered))
    # What was opted out of or to be paused, and whose period is over, ended or paused with being paid.
    over = [s for s, _ in recovered if s.ended_at is not None]
    await fall_due_with_end(tx, ended=over)
    stopped = [s for s, _ in recovered if s.status is Status.PAUSED]
    outbox.announce(tx, [*(ended(s) for s in over), *(paused(s) for s in stopped)], now=now)
    turns = {s.ref: Turn.ENDED for s in over} | {s.ref: Turn.PAUSED for s in stopped}
    followed = await follow(tx, {ref: ParentTurn(now, turn) for ref, turn in turns.items()}, now=now)
    on_other_terms = [s for was, (s, _) in zip(behind, recovered, strict=True) if s.terms != was.terms]
    events = [
        event(
            SubscriptionRecovered,
            s,
            period_starts_at=s.current_period.starts_at,
            period_ends_at=s.current_period.ends_at,
        )
        for s, _ in recovered
        if s.status is Status.ACTIVE
    ]
    outbox.announce(tx, [changed(s) for s in on_other_terms], now=now)
    outbox.announce(tx, events, now=now)
    return Recovered(
        begun=[s for s, is_new_period in recovered if is_new_period and not s.terms.billing.in_arrears],
        cut_off=[add_on for ref in turns for add_on in followed.get(ref, ())],
    )


def _left_behind(behind: Sequence[Subscription], recovered: Sequence[tuple[Subscription, bool]]) -> list[Segment]:
    """Close what was open of periods that ran out while they were suspended; use after them was not possible."""
    return [
        segment
        for was, (s, is_new_period) in zip(behind, recovered, strict=True)
        if is_new_period or s.status is not Status.ACTIVE
        for segment in rolling.close_at_end(was, at=was.current_period.ends_at)
    ]
