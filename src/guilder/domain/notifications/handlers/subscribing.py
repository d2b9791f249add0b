"""What happens to subscriptions, as their owners hear of it."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.notifications import service
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.notifications.rules import causes
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionChangeScheduled,
    SubscriptionEnded,
    SubscriptionEvent,
    SubscriptionPaused,
    SubscriptionRenewalUpcoming,
    SubscriptionResumed,
    SubscriptionTrialExtended,
    TrialEnding,
)
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.rules.leaving import leaves_at
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_subscription_activated(
    tx: Tx, messages: Sequence[Message[SubscriptionActivated]], *, now: datetime
) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_ACTIVATED,
            cause_id=event.subscription_id,
            about=About(subscription_id=event.subscription_id, at=event.period_ends_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_cancel_scheduled(
    tx: Tx, messages: Sequence[Message[SubscriptionCancelScheduled]], *, now: datetime
) -> None:
    """Confirm an end that is wished for, on the date that it has by now. One that was taken back meanwhile is passed over,
    and so is one that has come: that is told of as such."""
    scheduled = events_of(messages)
    found = await _found(tx, scheduled)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_CANCELLED,
            cause_id=causes.end(event.subscription_id, ends_at, leaving.canceled_at),
            about=About(subscription_id=event.subscription_id, at=ends_at),
        )
        for event in scheduled
        if (leaving := found.get(_ref(event))) is not None
        and leaving.ended_at is None
        and (ends_at := leaves_at(leaving)) is not None
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_ended(tx: Tx, messages: Sequence[Message[SubscriptionEnded]], *, now: datetime) -> None:
    """Confirm what its owner ended. Whoever was told of the end before is not told again, and what ended for want of
    payment, or never began, has had its own words."""
    ended = events_of(messages)
    found = await subscriptions.get(tx, refs=[Ref(event.tenant_id, event.subscription_id) for event in ended])
    wished = {ref: each.canceled_at for ref, each in found.items() if each.canceled_at is not None}
    # As releases before named it: who heard of the end from one of them is not told again.
    before = [Ref(event.tenant_id, causes.end(event.subscription_id, event.ended_at)) for event in ended]
    told = await service.told(tx, kind=Kind.SUBSCRIPTION_CANCELLED, causes=before)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_CANCELLED,
            cause_id=causes.end(event.subscription_id, event.ended_at, wished[ref]),
            about=About(subscription_id=event.subscription_id),
        )
        for event, named in zip(ended, before, strict=True)
        if (ref := _ref(event)) in wished and named not in told
    ]
    await service.tell(tx, messages=said, now=now)


async def on_trial_ending(tx: Tx, messages: Sequence[Message[TrialEnding]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.TRIAL_ENDING,
            cause_id=causes.trial_ending(event.subscription_id, event.days_left, event.ends_at),
            about=About(subscription_id=event.subscription_id, at=event.ends_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_renewal_upcoming(
    tx: Tx, messages: Sequence[Message[SubscriptionRenewalUpcoming]], *, now: datetime
) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.UPCOMING_RENEWAL,
            cause_id=causes.renewal(event.subscription_id, event.renews_at),
            about=About(subscription_id=event.subscription_id, at=event.renews_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_paused(tx: Tx, messages: Sequence[Message[SubscriptionPaused]], *, now: datetime) -> None:
    """Say that it rests, and until when. Of an add-on, which rests with what it belongs to, nothing is said."""
    paused = events_of(messages)
    found = await _found(tx, paused)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_PAUSED,
            cause_id=causes.pause(event.subscription_id, event.paused_at),
            about=About(subscription_id=event.subscription_id, since=event.paused_at, at=event.resumes_at),
        )
        for event in paused
        if _stands_alone(event, found)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_resumed(tx: Tx, messages: Sequence[Message[SubscriptionResumed]], *, now: datetime) -> None:
    resumed = events_of(messages)
    found = await _found(tx, resumed)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_RESUMED,
            cause_id=causes.resumption(event.subscription_id, event.period_starts_at, event.period_ends_at),
            about=About(subscription_id=event.subscription_id),
        )
        for event in resumed
        if _stands_alone(event, found)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_trial_extended(tx: Tx, messages: Sequence[Message[SubscriptionTrialExtended]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.TRIAL_EXTENDED,
            cause_id=causes.trial_extended(event.subscription_id, event.ends_at),
            about=About(subscription_id=event.subscription_id, at=event.ends_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_change_scheduled(
    tx: Tx, messages: Sequence[Message[SubscriptionChangeScheduled]], *, now: datetime
) -> None:
    """Announce what it will be and cost, as it is planned by now: of several wishes that are heard together the last one.
    What was wished for before and is wished for again is announced again; what was taken back meanwhile is not."""
    wishes = {_ref(each.event): each for each in messages}
    found = await _found(tx, events_of(list(wishes.values())))
    said = [
        NewNotification(
            tenant_id=ref.tenant_id,
            customer_id=subscription.customer_id,
            kind=Kind.CHANGE_PLANNED,
            cause_id=wish.id,
            about=About(subscription_id=ref.id, at=subscription.pending_at or subscription.current_period.ends_at),
        )
        for ref, wish in wishes.items()
        if (subscription := found.get(ref)) is not None and subscription.pending_terms is not None
    ]
    await service.tell(tx, messages=said, now=now)


async def _found(tx: Tx, events: Sequence[SubscriptionEvent]) -> dict[Ref, Subscription]:
    return await subscriptions.get(tx, refs=sorted({_ref(event) for event in events}))


def _stands_alone(event: SubscriptionEvent, found: dict[Ref, Subscription]) -> bool:
    subscription = found.get(_ref(event))
    return subscription is not None and subscription.parent_id is None


def _ref(event: SubscriptionEvent) -> Ref:
    return Ref(event.tenant_id, event.subscription_id)
