"""Reading and voiding invoices, and the files that signed links lead to."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service
from guilder.domain.invoicing.model import InvoiceKind, Status
from guilder.domain.invoicing.schemas.explanations import ExplanationOut, explained
from guilder.domain.invoicing.schemas.invoices import InvoiceOut, SubscriptionRef, to_wire
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery, Instant
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visiting
from guilder.platform.outside.files import LinkInvalid, verify

LINK_LIFETIME = timedelta(minutes=15)
_LINKS = "signed links to files"

router = Router(prefix="/api", tags=["invoices"])
files_router = Router(tags=["files"])


@router.get("/invoices", may_lag=True)
async def list_invoices(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    subscription_id: Annotated[SubscriptionRef | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    kind: Annotated[InvoiceKind | None, Query()] = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to")] = None,
) -> ListEnvelope[InvoiceOut]:
    """List invoices and credit notes, newest first; of one customer or subscription, state or kind, if asked.

    `from` and `to` are of `issued_at`: from `from` up to but not including `to`.
    """
    found = await service.listing(
        session.tx,
        query=page,
        customer_id=await customers.about(session.tx, text=customer_id, only=session.customer_filter),
        subscription_id=subscription_id,
        status=status,
        kind=kind,
        since=since,
        until=until,
    )
    return listed(found, to_wire)


@router.get("/invoices/{invoice_id}")
async def get_invoice(session: Session, invoice_id: str) -> Envelope[InvoiceOut]:
    """Get an invoice by its id or its number."""
    found = await service.one(session.tx, invoice=invoice_id, customer_id=session.customer_filter)
    return ok(to_wire(found))


@router.get("/invoices/{invoice_id}/explain", may_lag=True)
async def explain_invoice(session: Session, invoice_id: str) -> Envelope[ExplanationOut]:
    """Say of every line why it is what it is, and of the invoice how its lines become what is to be paid."""
    found = await service.one(session.tx, invoice=invoice_id, customer_id=session.customer_filter)
    return ok(explained(service.explained(found)))


@router.get("/invoices/{invoice_id}/pdf", may_lag=True, status_code=302, response_class=RedirectResponse)
async def get_pdf(session: Session, request: Request, invoice_id: str) -> RedirectResponse:
    """Lead to the invoice's PDF by a link that is good for a quarter of an hour."""
    invoice = await service.one(session.tx, invoice=invoice_id, customer_id=session.customer_filter)
    path = await service.document_path(session.tx, invoice=invoice)
    wall = request.app.state.clock.now()
    url = await request.app.state.files.signed_url(
        path,
        expires_at=wall + LINK_LIFETIME,
        now=wall,
        base_url=f"{session.base_url}/files",
        key=request.app.state.keys.blind(_LINKS, about="files"),
    )
    return RedirectResponse(url, status_code=302)


@router.post("/invoices/{invoice_id}/void")
async def void_invoice(session: Session, invoice_id: str) -> Envelope[InvoiceOut]:
    """Take an unpaid invoice back: its payment is cancelled, and what it billed may be billed again."""
    invoice = await service.one(session.tx, invoice=invoice_id)
    await service.void(session.tx, refs=[invoice.ref], now=session.now)
    return ok(to_wire(await service.one(session.tx, invoice=invoice.id)))


@files_router.get("/files/{token}", include_in_schema=False)
async def get_file(visit: Visiting, request: Request, token: str) -> Response:
    """Serve a file of our own folder to whoever holds a link to it that is still good."""
    state: Any = request.app.state
    wall = state.clock.now()
    for key in state.keys.blinds(_LINKS, about="files"):
        try:
            path = verify(token, now=wall, key=key)
        except LinkInvalid:
            continue
        return Response(
            await state.files.get(path),
            media_type="application/pdf" if path.endswith(".pdf") else "application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{path.rsplit("/", 1)[-1]}"',
                "Cache-Control": "no-store",
            },
        )
    raise LinkInvalid
