"""How subscriptions end, and what belongs to them with them."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import SubscriptionCancelScheduled, SubscriptionRenewalResumed
from guilder.domain.subscriptions.model import Changed, Subscription, Turn
from guilder.domain.subscriptions.rules import pauses, periods, rolling
from guilder.domain.subscriptions.rules.leaving import leaves_at
from guilder.domain.subscriptions.rules.lifecycle import MOVES, ROLLING, Step, allows
from guilder.domain.subscriptions.rules.rolling import ParentTurn
from guilder.domain.subscriptions.service.arrears import fall_due_with_end
from guilder.domain.subscriptions.service.following import follow
from guilder.domain.subscriptions.service.reading import check_future, current
from guilder.domain.subscriptions.service.telling import ended, event
from guilder.kernel import lifecycle
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def cancel(
    tx: Tx, *, ref: Ref, at_period_end: bool = False, at: datetime | None = None, now: datetime
) -> Changed:
    """End it now, on a date, or opt out of renewal: then it runs to the end of what is paid.

    Ending it now closes what is billed in arrears (`segments`), and cuts off what is left of a paid period
    (`gives_back`); its add-ons end with it. What has not begun, or is paused, has no period to run out: it ends now.

    :raises StillDue: it, or an add-on of it, has to be rolled first
    :raises IllegalStep: it has ended already, or is not running
    :raises DateIsPast: `at` is not in the future
    """
    before = await current(tx, ref=ref, now=now)
    if at is not None:
        lifecycle.take(MOVES, before.status, Step.SCHEDULE)
        check_future(at, now=now, field="at")
        return await _opt_out(
            tx, before, replace(before, cancel_at=at, cancel_at_period_end=False), ends_at=at, now=now
        )
    if at_period_end and before.status in ROLLING:
        planned = replace(before, pending_terms=None, pending_at=None, pause_at_period_end=False, resume_at=None)
        leaving = replace(planned, cancel_at_period_end=True, cancel_at=None)
        return await _opt_out(tx, before, leaving, ends_at=leaving.current_period.ends_at, now=now)
    [done] = await _end(tx, [before], canceled_at=now, now=now)
    return done


async def _opt_out(tx: Tx, before: Subscription, leaving: Subscription, *, ends_at: datetime, now: datetime) -> Changed:
    # The same end, asked for once more, is the wish that there was.
    wished_at = before.canceled_at if leaves_at(before) == ends_at else None
    after = periods.planned(replace(leaving, canceled_at=wished_at or now))
    await store.save(tx, [after])
    outbox.announce(tx, [event(SubscriptionCancelScheduled, after, ends_at=ends_at)], now=now)
    return Changed(before=before, after=after)


async def keep(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    """Opt in to renewal again, before the end. Without an opting out, nothing happens."""
    subscription = await current(tx, ref=ref, now=now)
    lifecycle.take(MOVES, subscription.status, Step.SCHEDULE)
    if not subscription.cancel_at_period_end and subscription.cancel_at is None:
        return subscription
    kept = periods.planned(replace(subscription, cancel_at_period_end=False, cancel_at=None, canceled_at=None))
    await store.save(tx, [kept])
    outbox.announce(tx, [event(SubscriptionRenewalResumed, kept)], now=now)
    return kept


async def end(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """End what is not ended yet, and its add-ons: canceled if it had begun, expired if it was never paid for.

    What is billed in arrears is closed with it, and billed by the clock.
    """
    running = [s for s in await store.lock(tx, refs) if allows(s.status, Step.CANCEL)]
    return [each.after for each in await _end(tx, running, canceled_at=None, now=now)]


async def _end(
    tx: Tx, running: Sequence[Subscription], *, canceled_at: datetime | None, now: datetime
) -> list[Changed]:
    done = [
        Changed(
            before=s,
            after=periods.end(replace(s, canceled_at=canceled_at or s.canceled_at), step=Step.CANCEL, at=now),
            segments=rolling.close_at_end(s, at=now),
            gives_back=pauses.cuts_off(s, at=now),
        )
        for s in running
    ]
    await store.save(tx, [each.after for each in done])
    await store.insert_segments(tx, [segment for each in done for segment in each.segments])
    await fall_due_with_end(tx, ended=[each.after for each in done])
    outbox.announce(tx, [ended(each.after) for each in done], now=now)
    parents = {each.after.ref: ParentTurn(now, Turn.ENDED) for each in done}
    followed = await follow(tx, parents, now=now)
    return [replace(each, add_ons=followed.get(each.after.ref, ())) for each in done]
