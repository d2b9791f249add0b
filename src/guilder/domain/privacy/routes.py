"""Privacy over HTTP. A customer's administrator asks for its own data, and to be forgotten; the tenant's see all."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import RedirectResponse

from guilder.domain.customers import service as customers
from guilder.domain.privacy import service
from guilder.domain.privacy.model import RequestKind, State
from guilder.domain.privacy.schemas import (
    CompletionIn,
    ConsentIn,
    ConsentOut,
    GrantIn,
    PrivacyRequestIn,
    PrivacyRequestOut,
    RefusalIn,
    RequestRef,
    RetentionIn,
    RuleOut,
    consent_to_wire,
    request_to_wire,
    rule_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

LINK_LIFETIME = timedelta(minutes=15)
_LINKS = "signed links to files"

router = Router(prefix="/api/privacy", tags=["privacy"])


@router.post("/requests", status_code=202)
async def ask(session: Session, body: PrivacyRequestIn) -> Envelope[PrivacyRequestOut]:
    """Ask for a customer's data, for its erasure, or have noted what else was asked for. Answered within 30 days."""
    made = await service.ask(
        session.tx,
        customer=body.customer,
        kind=body.kind,
        reason=body.reason,
        ends_subscriptions=body.end_subscriptions,
        only=session.customer_filter,
        now=session.now,
    )
    return ok(request_to_wire(made))


@router.get("/requests")
async def list_requests(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    kind: Annotated[RequestKind | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
) -> ListEnvelope[PrivacyRequestOut]:
    """List requests, newest first."""
    only = await customers.about(session.tx, text=customer_id, only=session.customer_filter)
    found = await service.listing(session.tx, query=page, customer_id=only, kind=kind, state=state)
    return listed(found, request_to_wire)


@router.get("/requests/{request_id}")
async def get_request(session: Session, request_id: RequestRef) -> Envelope[PrivacyRequestOut]:
    """Get a request: what it waits for, what came of it, what was kept and why."""
    return ok(request_to_wire(await service.one(session.tx, request_id=request_id, only=session.customer_filter)))


@router.get("/requests/{request_id}/file", status_code=302, response_class=RedirectResponse)
async def get_file(session: Session, request: Request, request_id: RequestRef) -> RedirectResponse:
    """Lead to the ZIP of an export, by a link that is good for a quarter of an hour. It is there for seven days."""
    found = await service.one(session.tx, request_id=request_id, only=session.customer_filter)
    path = service.file_path(found, now=session.now)
    return RedirectResponse(await _link(session, request, path), status_code=302)


@router.post("/requests/{request_id}/cancel")
async def cancel(session: Session, request_id: RequestRef) -> Envelope[PrivacyRequestOut]:
    """Take a request back before it has run."""
    moved = await service.cancel(session.tx, request_id=request_id, only=session.customer_filter, now=session.now)
    return ok(request_to_wire(moved))


@router.post("/requests/{request_id}/grant")
async def grant(session: Session, request_id: RequestRef, body: GrantIn) -> Envelope[PrivacyRequestOut]:
    """Let an erasure be carried out that a customer's own user asked for."""
    moved = await service.grant(
        session.tx, request_id=request_id, ends_subscriptions=body.end_subscriptions, now=session.now
    )
    return ok(request_to_wire(moved))


@router.post("/requests/{request_id}/refuse")
async def refuse(session: Session, request_id: RequestRef, body: RefusalIn) -> Envelope[PrivacyRequestOut]:
    """Say that it will not be done, and on what ground."""
    moved = await service.refuse(
        session.tx, request_id=request_id, reason=body.reason, legal_ground=body.legal_ground, now=session.now
    )
    return ok(request_to_wire(moved))


@router.post("/requests/{request_id}/complete")
async def complete(session: Session, request_id: RequestRef, body: CompletionIn) -> Envelope[PrivacyRequestOut]:
    """Note that somebody did what was asked for: a rectification, a restriction, what followed an objection."""
    moved = await service.complete(session.tx, request_id=request_id, outcome=body.outcome, now=session.now)
    return ok(request_to_wire(moved))


@router.post("/consents", status_code=201)
async def record_consent(session: Session, body: ConsentIn) -> Envelope[ConsentOut]:
    """Note what a customer agreed to, or took back. It is never changed: what holds is said last."""
    made = await service.consent(
        session.tx,
        customer=body.customer,
        purpose=body.purpose,
        version=body.version,
        is_given=body.is_given,
        at=body.at,
        proof=body.proof,
        only=session.customer_filter,
        now=session.now,
    )
    return ok(consent_to_wire(made))


@router.get("/consents")
async def list_consents(
    session: Session, page: PageParams, customer_id: CustomerQuery = None
) -> ListEnvelope[ConsentOut]:
    """List consents, newest first."""
    only = await customers.about(session.tx, text=customer_id, only=session.customer_filter)
    found = await service.consents(session.tx, query=page, customer_id=only)
    return listed(found, consent_to_wire)


@router.get("/retention")
async def get_retention(session: Session) -> Envelope[list[RuleOut]]:
    """Say how long each kind is kept, what the next round will forget, and what the last one did."""
    return ok(await _rules(session))


@router.put("/retention")
async def set_retention(session: Session, body: RetentionIn) -> Envelope[list[RuleOut]]:
    """Keep kinds for another number of days, never fewer than the least."""
    await service.set_retention(session.tx, days=body.from_wire(), now=session.now)
    return ok(await _rules(session))


async def _rules(session: RequestSession) -> list[RuleOut]:
    due = await service.due_counts(session.tx, now=session.now)
    return [rule_to_wire(each, due.get(each.kind)) for each in await service.retention(session.tx)]


async def _link(session: RequestSession, request: Request, path: str) -> str:
    wall = request.app.state.clock.now()
    url: str = await request.app.state.files.signed_url(
        path,
        expires_at=wall + LINK_LIFETIME,
        now=wall,
        base_url=f"{session.base_url}/files",
        key=request.app.state.keys.blind(_LINKS, about="files"),
    )
    return url
