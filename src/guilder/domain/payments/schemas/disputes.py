"""What HTTP says and hears of disputes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.payments.model import Dispute, DisputeNote
from guilder.domain.payments.schemas.payments import CustomerRef, InvoiceRef, PaymentRef
from guilder.platform.http.fields import IdOf, In, Out, Text

DisputeRef = Annotated[UUID, IdOf("dsp")]


class NoteIn(In):
    text: Annotated[str, Text(5_000)]


class NoteOut(Out):
    text: str
    author: str
    noted_at: datetime


class DisputeOut(Out):
    """A payment that a bank takes back. `amount` is what it takes; an inquiry has taken nothing yet.

    `alert` says what a person should look at: the provider told of another amount than the payment can have.
    """

    id: DisputeRef
    payment_id: PaymentRef
    invoice_id: InvoiceRef
    customer_id: CustomerRef
    gateway: str
    dispute_ref: str
    status: DisputeStatus
    amount: int
    currency: str
    reason: str
    respond_by: datetime | None
    noticed_at: datetime
    opened_at: datetime | None
    decided_at: datetime | None
    fee: int | None
    fee_currency: str | None
    alert: str | None


class DisputeWithNotesOut(DisputeOut):
    """`notes` are the staff's own: a customer's user sees none."""

    notes: list[NoteOut]


def dispute_to_wire(dispute: Dispute) -> DisputeOut:
    return DisputeOut(
        id=dispute.id,
        payment_id=dispute.payment_id,
        invoice_id=dispute.invoice_id,
        customer_id=dispute.customer_id,
        gateway=dispute.gateway,
        dispute_ref=dispute.dispute_ref,
        status=dispute.status,
        amount=dispute.amount.minor,
        currency=dispute.amount.currency,
        reason=dispute.reason,
        respond_by=dispute.respond_by,
        noticed_at=dispute.noticed_at,
        opened_at=dispute.opened_at,
        decided_at=dispute.decided_at,
        fee=dispute.fee.minor if dispute.fee else None,
        fee_currency=dispute.fee.currency if dispute.fee else None,
        alert=dispute.alert or None,
    )


def with_notes_to_wire(dispute: Dispute, notes: Sequence[DisputeNote]) -> DisputeWithNotesOut:
    return DisputeWithNotesOut(**dict(dispute_to_wire(dispute)), notes=[note_to_wire(each) for each in notes])


def note_to_wire(note: DisputeNote) -> NoteOut:
    return NoteOut(text=note.text, author=note.author, noted_at=note.noted_at)
