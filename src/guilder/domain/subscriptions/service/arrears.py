"""Segments: what is billed when it is over. They are written by the verbs that close them, and billed by invoicing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.model import Segment, SegmentKind, Subscription
from guilder.domain.subscriptions.rules import segments
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def segments_to_bill(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Segment]:
    """Hold those of these segments that are due and not billed; those that somebody else is at are left to them."""
    return await store.claim_segments(tx, refs, now=now)


async def mark_billed(tx: Tx, *, billed: Mapping[Ref, int], now: datetime) -> None:
    """Note segments as billed, each with the number of the last late use that it was rated with."""
    if billed:
        await store.mark_billed(tx, billed, now=now)


async def billed_segments(
    tx: Tx, *, subscriptions: Sequence[Ref], kind: SegmentKind | None = None, since: datetime | None = None
) -> list[Segment]:
    """Return the segments of these subscriptions that were billed; those that ended after `since`, if said."""
    return await store.segments_of(tx, subscriptions, kind=kind, is_billed=True, since=since)


async def billed_since_closed(
    tx: Tx, *, subscriptions: Sequence[Ref], kind: SegmentKind, before: datetime
) -> list[Segment]:
    """Return the billed segments of these subscriptions after the last that closed a period by `before`.

    A period that a pause has moved began earlier than its dates say.
    """
    return await store.segments_since_closed(tx, subscriptions, kind=kind, before=before)


async def open_segments(tx: Tx, *, subscriptions: Sequence[Ref], kind: SegmentKind | None = None) -> list[Segment]:
    """Return what is closed and not billed yet: it is due later, or waits for its grace period."""
    return await store.segments_of(tx, subscriptions, kind=kind, is_billed=False, since=None)


async def fall_due_with_end(tx: Tx, *, ended: Sequence[Subscription]) -> None:
    """Let what changes had closed within the last period of these fall due with their end: no later one is to come.

    Of what ended while it was paused, the use that the pause closed is the last of its period now.
    """
    by_ref = {each.ref: each for each in ended}
    paused = {each.ref: each.ended_at for each in ended if each.ended_at and each.paused_at and each.terms.has_charges}
    if paused:
        await store.close_periods(tx, paused)
    waiting: dict[Ref, list[Segment]] = {}
    for segment in await open_segments(tx, subscriptions=sorted(by_ref)) if by_ref else []:
        waiting.setdefault(Ref(segment.tenant_id, segment.subscription_id), []).append(segment)
    sooner = [
        segment
        for ref, found in waiting.items()
        for segment in segments.due_with_end(
            found,
            at=by_ref[ref].ended_at or by_ref[ref].current_period.ends_at,
            zone=ZoneInfo(by_ref[ref].time_zone),
        )
    ]
    if sooner:
        await store.save_due(tx, sooner)


async def behind(tx: Tx, *, until: Mapping[Ref, datetime]) -> dict[Ref, list[Ref]]:
    """Return, by customer, the subscriptions of which something fell due before an instant and is not billed yet."""
    return await store.behind(tx, until) if until else {}


async def saw_late(tx: Tx, *, seen: Mapping[Ref, int]) -> None:
    """Note up to which number late use of billed segments was rated again. It never goes back."""
    if seen:
        await store.save_late_seen(tx, seen)
