"""Credit that takes two persons: one of the billing staff asks, another one grants."""

from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service
from guilder.domain.invoicing.rules.two_persons import RequestStatus
from guilder.domain.invoicing.schemas.two_persons import CreditRequestIn, CreditRequestOut, CreditRequestRef
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["credit"])

RequestPath = Annotated[CreditRequestRef, Path(alias="id")]


@router.post("/credit-requests", status_code=201)
async def ask_credit(session: Session, body: CreditRequestIn) -> Envelope[CreditRequestOut]:
    """Ask for credit, a pay-out or a credit note that one person may not give alone."""
    asked = await service.ask_credit(session.tx, wish=await _wish(session.tx, body), now=session.now)
    return ok(CreditRequestOut.to_wire(asked))


@router.get("/credit-requests")
async def list_credit_requests(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    status: Annotated[RequestStatus | None, Query()] = None,
) -> ListEnvelope[CreditRequestOut]:
    """List what was asked for, newest first; what waits for a second person is `requested`."""
    only = await customers.about(session.tx, text=customer_id, only=None)
    found = await service.credit_requests(session.tx, query=page, customer_id=only, status=status)
    return listed(found, CreditRequestOut.to_wire)


@router.get("/credit-requests/{id}")
async def get_credit_request(session: Session, request_id: RequestPath) -> Envelope[CreditRequestOut]:
    return ok(CreditRequestOut.to_wire(await service.credit_request(session.tx, request_id=request_id)))


@router.post("/credit-requests/{id}/grant")
async def grant_credit_request(session: Session, request_id: RequestPath) -> Envelope[CreditRequestOut]:
    """Grant what another person has asked for: it is done at once."""
    granted = await service.grant_credit_request(session.tx, request_id=request_id, now=session.now)
    return ok(CreditRequestOut.to_wire(granted))


@router.post("/credit-requests/{id}/refuse")
async def refuse_credit_request(session: Session, request_id: RequestPath) -> Envelope[CreditRequestOut]:
    """Say no, or take back what you have asked for."""
    refused = await service.refuse_credit_request(session.tx, request_id=request_id, now=session.now)
    return ok(CreditRequestOut.to_wire(refused))


async def _wish(tx: Tx, body: CreditRequestIn) -> service.GrantWish | service.PayOutWish | service.CreditNoteWish:
    if body.credit_note is not None:
        return service.CreditNoteWish(invoice_id=body.credit_note.invoice_id, correction=body.credit_note.from_wire())
    if body.pay_out is not None:
        customer = await customers.find(tx, text=body.pay_out.customer_id, field="pay_out.customer_id")
        amount = Money(body.pay_out.amount, body.pay_out.currency) if body.pay_out.amount else None
        return service.PayOutWish(
            customer_id=customer.id, currency=body.pay_out.currency, amount=amount, reason=body.pay_out.reason
        )
    assert body.grant is not None, body
    customer = await customers.find(tx, text=body.grant.customer_id, field="grant.customer_id")
    return service.GrantWish(
        customer_id=customer.id, amount=Money(body.grant.amount, body.grant.currency), reason=body.grant.reason
    )
