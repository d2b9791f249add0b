"""Transfers over HTTP: that an invoice was paid outside of any provider."""

from guilder.domain.orders import service
from guilder.domain.orders.schemas.transfers import TransferIn, TransferOut, transfer_to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(tags=["payments"])


@router.post("/api/payments/manual", status_code=201)
async def record_transfer(session: Session, body: TransferIn) -> Envelope[TransferOut]:
    """Record that an open invoice was paid by transfer. Again with the same reference: the same payment."""
    paid = await service.record_transfer(
        session.tx,
        invoice=body.invoice_id,
        amount_minor=body.amount,
        receipt=body.to_receipt(),
        now=session.now,
    )
    return ok(transfer_to_wire(paid))
