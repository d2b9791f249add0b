"""Subscriptions that a provider bills itself: linked once, and followed from then on."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import (
    SubscriptionCancelScheduled,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionRenewalResumed,
    SubscriptionRenewed,
    SubscriptionSuspended,
)
from guilder.domain.subscriptions.model import Link, Status, Subscription, Told
from guilder.domain.subscriptions.rules import elsewhere
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.domain.subscriptions.service.telling import activated, ended, event, paused
from guilder.domain.subscriptions.store import elsewhere as rows
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

_PAID = frozenset({Status.ACTIVE, Status.TRIALING})
_RUNNING = _PAID | {Status.PAST_DUE}
_STOPPED = frozenset({Status.SUSPENDED, Status.PAUSED})


class AlreadyLinked(Conflict):
    """This subscription of the provider's is linked already."""

    code = "already_linked"


async def link(tx: Tx, *, link: Link, now: datetime) -> Subscription:
    """Follow a subscription that a provider bills itself. It stands as the provider said last, else as active.

    :raises AlreadyLinked: it is followed already
    """
    name = (link.tenant_id, link.account_id, link.provider_ref)
    await rows.hold(tx, [name])
    if await rows.named(tx, [name]):
        raise AlreadyLinked(field="provider_subscription")
    made = Subscription(
        tenant_id=link.tenant_id,
        id=ids.new(now),
        customer_id=link.customer_id,
        organization_id=link.organization_id,
        terms=link.terms,
        status=Status.ACTIVE,
        anchor_at=link.period.starts_at,
        time_zone=link.time_zone,
        period_number=0,
        current_period=link.period,
        created_at=now,
        billed_by=link.account_id,
        provider_ref=link.provider_ref,
        metadata=link.metadata,
    )
    heard = await rows.take_unlinked(tx, Ref(link.tenant_id, link.account_id), link.provider_ref)
    made = elsewhere.told(made, heard) if heard else made
    await store.insert(tx, [made])
    outbox.announce(tx, [event(SubscriptionCreated, made, status=made.status.value)], now=now)
    if made.status in FINAL:
        outbox.announce(tx, [ended(made)], now=now)
    elif made.status is not Status.PROCESSING:
        outbox.announce(tx, [activated(made)], now=now)
    return made


async def follow_provider(tx: Tx, *, told: Sequence[Told], now: datetime) -> None:
    """Bring subscriptions to how their providers say they stand; news of what is not linked is kept for its link."""
    await rows.hold(tx, [_name(each) for each in told])
    known = await rows.named(tx, [_name(each) for each in told])
    strange = [each for each in told if _name(each) not in known]
    if strange:
        await rows.keep_unlinked(tx, strange)
    locked = {s.ref: s for s in await store.lock(tx, sorted(set(known.values())))}
    changed: dict[Ref, Subscription] = {}
    events: list[SubscriptionEvent] = []
    for each in sorted((each for each in told if _name(each) in known), key=lambda each: each.at):
        ref = known[_name(each)]
        before = changed.get(ref, locked[ref])
        after = elsewhere.told(before, each)
        if after is not before:
            changed[ref] = after
            events += _facts(before, after)
    await store.save(tx, list(changed.values()))
    outbox.announce(tx, events, now=now)


def _name(told: Told) -> rows.Name:
    return told.tenant_id, told.account_id, told.news.subscription_ref


def _facts(before: Subscription, after: Subscription) -> list[SubscriptionEvent]:
    if after.status in FINAL:
        return [ended(after)]
    if after.status is Status.PROCESSING:
        return []
    facts = _turns(before, after)
    if before.status is Status.PROCESSING:
        return facts
    if after.current_period != before.current_period:
        facts.append(event(SubscriptionRenewed, after, **_period(after)))
    if after.cancel_at_period_end and not before.cancel_at_period_end:
        facts.append(event(SubscriptionCancelScheduled, after, ends_at=after.current_period.ends_at))
    if before.cancel_at_period_end and not after.cancel_at_period_end:
        facts.append(event(SubscriptionRenewalResumed, after))
    return facts


def _turns(before: Subscription, after: Subscription) -> list[SubscriptionEvent]:
    """Say how it turned: that it runs again comes before that it is behind, or whoever was shut out would stay so."""
    was, now = before.status, after.status
    if was is now:
        return []
    facts: list[SubscriptionEvent] = []
    if was is Status.PROCESSING:
        facts.append(activated(after))
    elif (was in _STOPPED and now in _RUNNING) or (was is Status.PAST_DUE and now in _PAID):
        facts.append(event(SubscriptionRecovered, after, **_period(after)))
    match now:
        case Status.PAST_DUE:
            facts.append(event(SubscriptionPastDue, after))
        case Status.SUSPENDED:
            facts.append(event(SubscriptionSuspended, after))
        case Status.PAUSED:
            facts.append(paused(after))
    return facts


def _period(s: Subscription) -> dict[str, datetime]:
    return {"period_starts_at": s.current_period.starts_at, "period_ends_at": s.current_period.ends_at}
