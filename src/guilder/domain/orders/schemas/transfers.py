"""What HTTP says and hears of transfers for invoices."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.payments.model import Payment, Receipt
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.platform.http.fields import IdOf, In, Instant, Note, Out, PositiveAmount, Text


class TransferIn(In):
    """A transfer for an invoice (by id or number): the whole of what is due, and what the bank's statement calls it."""

    invoice_id: Annotated[str, Field(strict=True, min_length=1, max_length=255)]
    amount: PositiveAmount
    received_at: Instant
    reference: Annotated[str, Text(140)]
    note: Note | None = None

    def to_receipt(self) -> Receipt:
        return Receipt(happened_at=self.received_at, reference=self.reference, note=self.note or "")


class TransferOut(Out):
    payment_id: Annotated[UUID, IdOf("pay")]
    invoice_id: Annotated[UUID, IdOf("inv")]
    customer_id: Annotated[UUID, IdOf("cus")]
    amount: int
    currency: str
    status: PaymentStatus
    reference: str
    received_at: datetime | None


def transfer_to_wire(payment: Payment) -> TransferOut:
    return TransferOut(
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=payment.amount.minor,
        currency=payment.amount.currency,
        status=payment.status,
        reference=payment.charge_ref,
        received_at=payment.settled_at,
    )
