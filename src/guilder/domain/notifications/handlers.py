"""What customers are told about: each handler says it by one verb."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.dunning.events import CaseOpened, CaseRecovered, ReminderDue, RetriesExhausted, RetryPlanned
from guilder.domain.entitlements import service as entitlements
from guilder.domain.invoicing.events import InvoicePaid
from guilder.domain.notifications import service
from guilder.domain.notifications.events import NotificationRequested
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.notifications.rules import causes
from guilder.domain.payments.events import PaymentActionRequired, RefundSucceeded
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionEnded,
    TrialEnding,
)
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

GROUP = "notifications"


async def on_notification_requested(
    tx: Tx, messages: Sequence[Message[NotificationRequested]], *, now: datetime
) -> None:
    refs = [Ref(event.tenant_id, event.notification_id) for event in events_of(messages)]
    await service.dispatch(tx, refs=refs, now=now)


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    """Say thank you, with the receipt. Nobody is thanked for nothing: an invoice over zero is passed over."""
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_SUCCEEDED,
            cause_id=event.invoice_id,
            about=About(
                invoice_id=event.invoice_id,
                subscription_id=event.subscription_id,
                amount=event.total,
                at=event.paid_at,
            ),
        )
        for event in events_of(messages)
        if not event.total.is_zero
    ]
    await service.tell(tx, messages=said, now=now)


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
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_CANCELLED,
            cause_id=causes.end(event.subscription_id, event.ends_at),
            about=About(subscription_id=event.subscription_id, at=event.ends_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_subscription_ended(tx: Tx, messages: Sequence[Message[SubscriptionEnded]], *, now: datetime) -> None:
    """Confirm what its owner ended. Whoever was told of the end before is not told again, and what ended for want of
    payment, or never began, has had its own words."""
    ended = events_of(messages)
    found = await subscriptions.get(tx, refs=[Ref(event.tenant_id, event.subscription_id) for event in ended])
    wished = {ref for ref, each in found.items() if each.canceled_at is not None}
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.SUBSCRIPTION_CANCELLED,
            cause_id=causes.end(event.subscription_id, event.ended_at),
            about=About(subscription_id=event.subscription_id),
        )
        for event in ended
        if Ref(event.tenant_id, event.subscription_id) in wished
    ]
    await service.tell(tx, messages=said, now=now)


async def on_trial_ending(tx: Tx, messages: Sequence[Message[TrialEnding]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.TRIAL_ENDING,
            cause_id=causes.trial_ending(event.subscription_id, event.days_left),
            about=About(subscription_id=event.subscription_id, at=event.ends_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_case_opened(tx: Tx, messages: Sequence[Message[CaseOpened]], *, now: datetime) -> None:
    """Say that a payment failed, and when it is tried again. Where it never is, the apology says all."""
    said = [
        _failed(event, retries_made=0, next_retry_at=event.next_retry_at)
        for event in events_of(messages)
        if event.next_retry_at is not None
    ]
    await service.tell(tx, messages=said, now=now)


async def on_retry_planned(tx: Tx, messages: Sequence[Message[RetryPlanned]], *, now: datetime) -> None:
    said = [
        _failed(event, retries_made=event.retries_made, next_retry_at=event.next_retry_at)
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_reminder_due(tx: Tx, messages: Sequence[Message[ReminderDue]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_REMINDER,
            cause_id=causes.reminder(event.case_id, event.reminder),
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id, amount=event.amount_due),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_retries_exhausted(tx: Tx, messages: Sequence[Message[RetriesExhausted]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.APOLOGY,
            cause_id=event.case_id,
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_case_recovered(tx: Tx, messages: Sequence[Message[CaseRecovered]], *, now: datetime) -> None:
    """Say that access is back, to those whose access was gone; the others have their receipt."""
    recovered = events_of(messages)
    cases = [Ref(event.tenant_id, event.case_id) for event in recovered]
    gone = await service.told(tx, kind=Kind.APOLOGY, causes=cases) | await entitlements.that_blocked(tx, causes=cases)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.ACCESS_RESTORED,
            cause_id=event.case_id,
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id),
        )
        for event in recovered
        if Ref(event.tenant_id, event.case_id) in gone
    ]
    await service.tell(tx, messages=said, now=now)


async def on_refund_succeeded(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.REFUND_SUCCEEDED,
            cause_id=event.refund_id,
            about=About(invoice_id=event.invoice_id, amount=event.amount, at=event.settled_at),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_payment_action_required(
    tx: Tx, messages: Sequence[Message[PaymentActionRequired]], *, now: datetime
) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_ACTION_REQUIRED,
            cause_id=event.payment_id,
            about=About(invoice_id=event.invoice_id, amount=event.amount),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


def _failed(event: CaseOpened | RetryPlanned, *, retries_made: int, next_retry_at: datetime) -> NewNotification:
    return NewNotification(
        tenant_id=event.tenant_id,
        customer_id=event.customer_id,
        kind=Kind.PAYMENT_FAILED,
        cause_id=causes.retry(event.case_id, retries_made),
        about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id, at=next_retry_at),
    )
