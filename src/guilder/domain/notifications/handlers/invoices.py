"""What is owed, credited, paid and used, as customers hear of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import (
    CreditNoteIssued,
    InvoiceDocumentStored,
    InvoiceDueSoon,
    InvoiceEvent,
    InvoiceFinalized,
    InvoiceOverdue,
    InvoicePaid,
)
from guilder.domain.invoicing.model import Balance
from guilder.domain.notifications import service
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.notifications.rules import causes
from guilder.domain.usage.events import UsageAlertReached
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx

# A receipt without its document is better than none; it is usually there within seconds.
DOCUMENT_WAIT = timedelta(minutes=10)


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    """Say thank you, with the receipt, for the money that came in. Nobody is thanked for nothing: what came to zero, or
    was paid by credit or taken back by a credit note, is passed over. It waits for the PDF that shows it paid."""
    heard = events_of(messages)
    found = await _found(tx, heard)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_SUCCEEDED,
            cause_id=event.invoice_id,
            about=About(
                invoice_id=event.invoice_id,
                subscription_id=event.subscription_id,
                amount=_came_in(event, found.get(_ref(event))),
                at=event.paid_at,
            ),
            held_until=now + DOCUMENT_WAIT,
        )
        for event in heard
        if not _came_in(event, found.get(_ref(event))).is_zero
    ]
    await service.tell(tx, messages=said, now=now)


async def on_invoice_document_stored(
    tx: Tx, messages: Sequence[Message[InvoiceDocumentStored]], *, now: datetime
) -> None:
    """Send the receipts that waited for it. A document that is not paid yet is none of theirs."""
    paid = sorted({_ref(event) for event in events_of(messages) if event.is_paid})
    await service.release(tx, invoices=paid, now=now)


async def on_invoice_finalized(tx: Tx, messages: Sequence[Message[InvoiceFinalized]], *, now: datetime) -> None:
    """Send what is to be paid by its date. Of what is charged at once, the receipt says all."""
    await _tell_of_sent(tx, events_of(messages), Kind.INVOICE_SENT, now=now)


async def on_invoice_due_soon(tx: Tx, messages: Sequence[Message[InvoiceDueSoon]], *, now: datetime) -> None:
    await _tell_of_sent(tx, events_of(messages), Kind.INVOICE_DUE_SOON, now=now)


async def on_invoice_overdue(tx: Tx, messages: Sequence[Message[InvoiceOverdue]], *, now: datetime) -> None:
    """Say that what was sent is overdue. What could not be charged is told of as that, by dunning's facts."""
    await _tell_of_sent(tx, events_of(messages), Kind.INVOICE_OVERDUE, now=now)


async def on_credit_note_issued(tx: Tx, messages: Sequence[Message[CreditNoteIssued]], *, now: datetime) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.CREDIT_NOTE_ISSUED,
            cause_id=event.invoice_id,
            about=About(
                invoice_id=event.invoice_id,
                amount=-event.total,
                credited=event.credited,
                corrects_invoice_id=event.corrects_invoice_id,
            ),
        )
        for event in events_of(messages)
        if not event.total.is_zero
    ]
    await service.tell(tx, messages=said, now=now)


async def on_usage_alert_reached(tx: Tx, messages: Sequence[Message[UsageAlertReached]], *, now: datetime) -> None:
    """Say it to where the bills go; the company that sells hears the same fact from the event feed."""
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.USAGE_ALERT,
            cause_id=causes.alert(event.alert_id, event.window_starts_at),
            about=About(
                meter=event.meter, quantity=event.quantity, threshold=event.threshold, since=event.window_starts_at
            ),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def _tell_of_sent(tx: Tx, events: Sequence[InvoiceEvent], kind: Kind, *, now: datetime) -> None:
    found = await _found(tx, events)
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=kind,
            cause_id=event.invoice_id,
            about=About(invoice_id=event.invoice_id, subscription_id=event.subscription_id),
        )
        for event in events
        if (invoice := found.get(_ref(event))) is not None and invoice.is_sent and not invoice.due.is_zero
    ]
    await service.tell(tx, messages=said, now=now)


async def _found(tx: Tx, events: Sequence[InvoiceEvent]) -> dict[Ref, Balance]:
    return await invoicing.balances(tx, refs=sorted({_ref(event) for event in events}))


def _came_in(event: InvoicePaid, invoice: Balance | None) -> Money:
    """Return what of a paid invoice was paid with money."""
    if invoice is None:
        return event.total
    return invoice.total - invoice.credited - invoice.credit_applied


def _ref(event: InvoiceEvent) -> Ref:
    return Ref(event.tenant_id, event.invoice_id)
