"""By hand over HTTP: what staff saw come in or sent off, of what no provider tells of."""

from guilder.domain.payments import service
from guilder.domain.payments.schemas.by_hand import ReceiptIn, SentIn
from guilder.domain.payments.schemas.payments import PaymentOut, PaymentRef, to_wire
from guilder.domain.payments.schemas.refunds import RefundOut, RefundRef, refund_to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["payments"])


@router.post("/payments/{payment_id}/record")
async def record_receipt(session: Session, payment_id: PaymentRef, body: ReceiptIn) -> Envelope[PaymentOut]:
    """Record that the money of an open payment has come in by transfer, whole. Again: the same payment."""
    recorded = await service.record_receipt(
        session.tx, payment_id=payment_id, amount_minor=body.amount, receipt=body.to_model(), now=session.now
    )
    return ok(to_wire(recorded))


@router.post("/refunds/{refund_id}/record")
async def record_returned(session: Session, refund_id: RefundRef, body: SentIn) -> Envelope[RefundOut]:
    """Record that the refund of a transfer was sent off. Again: the same refund."""
    sent = await service.record_returned(session.tx, refund_id=refund_id, receipt=body.to_model(), now=session.now)
    return ok(refund_to_wire(sent))
