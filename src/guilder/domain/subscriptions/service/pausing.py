"""Pausing and resuming at the customer's wish; add-ons pause and resume with what they belong to."""

from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import SubscriptionPauseScheduled
from guilder.domain.subscriptions.model import Changed, Status, Subscription, Turn
from guilder.domain.subscriptions.rules import pauses, periods
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.domain.subscriptions.rules.rolling import ParentTurn
from guilder.domain.subscriptions.service.following import follow
from guilder.domain.subscriptions.service.reading import DateIsPast, check_future, current
from guilder.domain.subscriptions.service.telling import event, paused, resumed
from guilder.kernel import lifecycle
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class IsLeaving(Conflict):
    """It was opted out of, and ends: take that back before pausing it."""

    code = "subscription_is_leaving"


class ParentIsPaused(Conflict):
    """What this belongs to is paused: it is resumed with that."""

    code = "parent_is_paused"


async def pause(
    tx: Tx, *, ref: Ref, at_period_end: bool = False, resume_at: datetime | None = None, now: datetime
) -> Changed:
    """Stop it, now or when the present period ends, until it is resumed; by itself at `resume_at`.

    A pause now closes what is billed in arrears (`segments`). Paid time left is there again after it; where the terms
    or their alignment say otherwise it is cut off (`gives_back`), and the caller credits it.

    :raises StillDue: it, or an add-on of it, has to be rolled first
    :raises IllegalStep: it is not running, or owes something
    :raises IsLeaving: it was opted out of
    :raises DateIsPast: `resume_at` is not after the pause begins
    """
    before = await current(tx, ref=ref, now=now)
    if before.cancel_at_period_end:
        raise IsLeaving
    if at_period_end:
        return await _plan(tx, before, resume_at=resume_at, now=now)
    lifecycle.take(MOVES, before.status, Step.PAUSE)
    if resume_at is not None:
        check_future(resume_at, now=now, field="resume_at")
    after, closed = pauses.pause(replace(before, resume_at=resume_at), step=Step.PAUSE, at=now)
    await store.save(tx, [after])
    await store.insert_segments(tx, closed)
    outbox.announce(tx, [paused(after)], now=now)
    followed = await follow(tx, {ref: ParentTurn(now, Turn.PAUSED)}, now=now)
    return Changed(
        before=before,
        after=after,
        segments=closed,
        gives_back=pauses.cuts_off(before, at=now) and not pauses.keeps_paid_time(before),
        add_ons=followed.get(ref, ()),
    )


async def _plan(tx: Tx, before: Subscription, *, resume_at: datetime | None, now: datetime) -> Changed:
    lifecycle.take(MOVES, before.status, Step.SCHEDULE)
    pauses_at = before.current_period.ends_at
    if resume_at is not None and resume_at <= pauses_at:
        raise DateIsPast("it cannot resume before the pause begins", field="resume_at")
    after = replace(before, pause_at_period_end=True, resume_at=resume_at)
    await store.save(tx, [after])
    fact = event(SubscriptionPauseScheduled, after, pauses_at=pauses_at, resumes_at=resume_at)
    outbox.announce(tx, [fact], now=now)
    return Changed(before=before, after=after)


async def resume(tx: Tx, *, ref: Ref, at: datetime | None = None, now: datetime) -> Changed:
    """Go on: now, or by itself at `at`. A pause that is only planned is taken back.

    Where no paid time was kept a new period begins (`began_period`), for add-ons too: the caller bills their fees.

    :raises StillDue: it, or an add-on of it, has to be rolled first
    :raises IllegalStep: it is not paused
    :raises ParentIsPaused: it is an add-on of what is paused
    :raises DateIsPast: `at` is not in the future
    """
    before = await current(tx, ref=ref, now=now)
    await _check_parent(tx, before)
    if before.pause_at_period_end and before.status is not Status.PAUSED:
        return await _saved(tx, before, replace(before, pause_at_period_end=False, resume_at=None))
    lifecycle.take(MOVES, before.status, Step.RESUME)
    if at is not None:
        check_future(at, now=now, field="at")
        return await _saved(tx, before, replace(before, resume_at=at))
    after, is_new = pauses.resume(before, at=now)
    changed = await _saved(tx, before, after)
    outbox.announce(tx, [resumed(after)], now=now)
    followed = await follow(tx, {ref: ParentTurn(now, Turn.RESUMED, before.paused_at)}, now=now)
    return replace(changed, began_period=is_new, add_ons=followed.get(ref, ()))


async def _check_parent(tx: Tx, subscription: Subscription) -> None:
    if subscription.parent_id is None or subscription.status is not Status.PAUSED:
        return
    [parent] = await store.get(tx, [Ref(subscription.tenant_id, subscription.parent_id)])
    if parent.status is Status.PAUSED:
        raise ParentIsPaused


async def _saved(tx: Tx, before: Subscription, after: Subscription) -> Changed:
    planned = periods.planned(after)
    await store.save(tx, [planned])
    return Changed(before=before, after=planned)
