"""The audit over HTTP: for administrators, and each look at it is itself written down."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import RedirectResponse

from guilder.domain.audit import service
from guilder.domain.audit.model import Filter
from guilder.domain.audit.schemas import (
    ActionText,
    ExportIn,
    ExportOut,
    ExportRef,
    ObjectText,
    RecordOut,
    RecordRef,
    VerificationOut,
    export_to_wire,
    filter_from_wire,
    object_from_wire,
    to_wire,
    verification_to_wire,
)
from guilder.domain.customers import service as customers
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery, Instant
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

LINK_LIFETIME = timedelta(minutes=15)
_LINKS = "signed links to files"

router = Router(prefix="/api", tags=["audit"])


@router.get("/audit")
async def list_records(
    session: Session,
    page: PageParams,
    actor: Annotated[
        str | None, Query(max_length=300, description="`api_key:…`, `staff:…`, `user:…`, `cli`, …")
    ] = None,
    action: Annotated[ActionText | None, Query(description="`http.call.made`, or a beginning: `invoicing.*`.")] = None,
    object_: Annotated[ObjectText | None, Query(alias="object", description="An id: `inv_…`, or a UUID.")] = None,
    customer_id: CustomerQuery = None,
    request_id: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[Instant | None, Query(description="From this instant on.")] = None,
    until: Annotated[Instant | None, Query(description="Up to, not including, this instant.")] = None,
) -> ListEnvelope[RecordOut]:
    """List what was done, newest first: by whom, of which kind, to what, in answer to which request, when."""
    about = await customers.about(session.tx, text=customer_id, only=None)
    wanted = Filter(actor, action, object_from_wire(object_), about, request_id, since, until)
    return listed(await service.records(session.tx, wanted=wanted, query=page), to_wire)


@router.get("/audit/verification")
async def get_verification(session: Session) -> Envelope[VerificationOut]:
    """Say when the chains were last verified, by whom, and what was found."""
    return ok(verification_to_wire(await service.last_verification(session.tx)))


@router.get("/audit/exports")
async def list_exports(session: Session, page: PageParams) -> ListEnvelope[ExportOut]:
    """List the exports that were asked for, newest first."""
    return listed(await service.exports(session.tx, query=page), export_to_wire)


@router.post("/audit/exports", status_code=202)
async def export_records(session: Session, body: ExportIn) -> Envelope[ExportOut]:
    """Have records written to two files: JSON lines with their hashes, and a table for a spreadsheet."""
    return ok(export_to_wire(await service.ask_for_export(session.tx, wanted=filter_from_wire(body), now=session.now)))


@router.get("/audit/exports/{export_id}")
async def get_export(session: Session, export_id: ExportRef) -> Envelope[ExportOut]:
    """Get an export: whether its files are there yet."""
    return ok(export_to_wire(await service.export(session.tx, export_id=export_id)))


@router.get("/audit/exports/{export_id}/lines", status_code=302, response_class=RedirectResponse)
async def get_lines(session: Session, request: Request, export_id: ExportRef) -> RedirectResponse:
    """Lead to the JSON lines by a link that is good for a quarter of an hour."""
    found = await service.export(session.tx, export_id=export_id)
    return await _link(session, request, found.lines_path)


@router.get("/audit/exports/{export_id}/table", status_code=302, response_class=RedirectResponse)
async def get_table(session: Session, request: Request, export_id: ExportRef) -> RedirectResponse:
    """Lead to the table (CSV) by a link that is good for a quarter of an hour."""
    found = await service.export(session.tx, export_id=export_id)
    return await _link(session, request, found.table_path)


@router.get("/audit/{id}")
async def get_record(session: Session, record_id: Annotated[RecordRef, Path(alias="id")]) -> Envelope[RecordOut]:
    """Get one record, by its event's id."""
    return ok(to_wire(await service.one(session.tx, record_id=record_id)))


async def _link(session: Session, request: Request, path: str) -> RedirectResponse:
    if not path:
        raise service.ExportNotReady(retry_after_s=1)
    state: Any = request.app.state
    wall = state.clock.now()
    url = await state.files.signed_url(
        path,
        expires_at=wall + LINK_LIFETIME,
        now=wall,
        base_url=f"{session.base_url}/files",
        key=state.keys.blind(_LINKS, about="files"),
    )
    return RedirectResponse(url, status_code=302)
