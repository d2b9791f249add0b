"""What a payment that failed, and what follows from it, makes customers hear."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.dunning.events import CaseOpened, CaseRecovered, ReminderDue, RetriesExhausted, RetryPlanned
from guilder.domain.entitlements import service as entitlements
from guilder.domain.invoicing import service as invoicing
from guilder.domain.notifications import service
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.notifications.rules import causes
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentActionRequired
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_case_opened(tx: Tx, messages: Sequence[Message[CaseOpened]], *, now: datetime) -> None:
    """Say that a payment failed, and when it is tried again. Where it never is, the apology says all; while another card
    is being tried, nothing is said: it may be paid in a moment."""
    alone = [event for event in events_of(messages) if not event.is_tried_elsewhere]
    await _tell_of_tries(tx, [(event, 0, event.next_retry_at) for event in alone if event.next_retry_at], now=now)


async def on_retry_planned(tx: Tx, messages: Sequence[Message[RetryPlanned]], *, now: datetime) -> None:
    heard = events_of(messages)
    await _tell_of_tries(tx, [(event, event.retries_made, event.next_retry_at) for event in heard], now=now)


async def on_reminder_due(tx: Tx, messages: Sequence[Message[ReminderDue]], *, now: datetime) -> None:
    """Remind of what could not be charged, or of what was sent and is overdue."""
    due = events_of(messages)
    found = await invoicing.get(tx, refs=sorted({Ref(event.tenant_id, event.invoice_id) for event in due}))
    sent = {ref for ref, invoice in found.items() if invoice.is_sent}
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.INVOICE_OVERDUE if Ref(event.tenant_id, event.invoice_id) in sent else Kind.PAYMENT_REMINDER,
            cause_id=causes.reminder(event.case_id, event.reminder),
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id, amount=event.amount_due),
        )
        for event in due
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


async def _tell_of_tries(
    tx: Tx, failed: Sequence[tuple[CaseOpened | RetryPlanned, int, datetime]], *, now: datetime
) -> None:
    """Tell of failed tries: of each the fact, how many retries had been made, and when the next one comes."""
    tried = await payments.methods_tried(tx, invoices=sorted({_invoice(event) for event, _, _ in failed}))
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_FAILED,
            cause_id=causes.retry(event.case_id, retries_made, tried.get(_invoice(event), 0)),
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id, at=next_retry_at),
        )
        for event, retries_made, next_retry_at in failed
    ]
    await service.tell(tx, messages=said, now=now)


def _invoice(event: CaseOpened | RetryPlanned) -> Ref:
    return Ref(event.tenant_id, event.invoice_id)
