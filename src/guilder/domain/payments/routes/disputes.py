"""Disputes over HTTP: read by whom they concern, and noted on by the tenant's staff. Nobody makes one here."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.payments import service
from guilder.domain.payments.schemas.disputes import (
    DisputeOut,
    DisputeRef,
    DisputeWithNotesOut,
    NoteIn,
    dispute_to_wire,
    with_notes_to_wire,
)
from guilder.domain.payments.schemas.payments import InvoiceRef, PaymentRef
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["disputes"])


@router.get("/disputes", may_lag=True)
async def list_disputes(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    payment_id: Annotated[PaymentRef | None, Query()] = None,
    invoice_id: Annotated[InvoiceRef | None, Query()] = None,
    status: Annotated[DisputeStatus | None, Query()] = None,
) -> ListEnvelope[DisputeOut]:
    """List disputes, newest first. An `inquiry` has moved no money; `open` waits for the bank's decision."""
    asked = await customers.about(session.tx, text=customer_id, only=session.customer_filter)
    found = await service.disputes(
        session.tx, query=page, customer_id=asked, payment_id=payment_id, invoice_id=invoice_id, status=status
    )
    return listed(found, dispute_to_wire)


@router.get("/disputes/{dispute_id}")
async def get_dispute(session: Session, dispute_id: DisputeRef) -> Envelope[DisputeWithNotesOut]:
    """Return a dispute, with the staff's notes for the staff."""
    only = session.customer_filter
    found = await service.dispute(session.tx, dispute_id=dispute_id, customer_id=only)
    notes = await service.dispute_notes(session.tx, dispute_id=dispute_id) if only is None else []
    return ok(with_notes_to_wire(found, notes))


@router.post("/disputes/{dispute_id}/note", status_code=201)
async def note_dispute(session: Session, dispute_id: DisputeRef, body: NoteIn) -> Envelope[DisputeWithNotesOut]:
    """Write down what is known of a dispute, or was done about it."""
    await service.note_dispute(
        session.tx, dispute_id=dispute_id, text=body.text, author=session.principal.actor, now=session.now
    )
    found = await service.dispute(session.tx, dispute_id=dispute_id)
    return ok(with_notes_to_wire(found, await service.dispute_notes(session.tx, dispute_id=dispute_id)))
