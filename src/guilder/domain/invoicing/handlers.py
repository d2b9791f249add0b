"""What invoicing hears."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import service
from guilder.domain.invoicing.events import InvoiceEvent
from guilder.domain.invoicing.model import Settled
from guilder.domain.payments.events import PaymentSucceeded, RefundSucceeded
from guilder.kernel.event import Message
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_payment_succeeded(tx: Tx, messages: Sequence[Message[PaymentSucceeded]], *, now: datetime) -> None:
    settled = [
        Settled(
            tenant_id=message.event.tenant_id,
            invoice_id=message.event.invoice_id,
            payment_id=message.event.payment_id,
            settled_at=message.event.settled_at,
        )
        for message in messages
    ]
    await service.settle(tx, settled=settled, now=now)


async def on_refund_succeeded(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.record_refunds(tx, refs=refs, now=now)


async def on_invoice_changed(tx: Tx, messages: Sequence[Message[InvoiceEvent]], *, now: datetime) -> None:
    """Have the document made, or made anew: it says whether it is due, paid or void."""
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.request_documents(tx, refs=refs, now=now)
