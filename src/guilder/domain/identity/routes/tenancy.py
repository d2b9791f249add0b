"""Tenants, their issuers, sandboxes and clocks, over HTTP."""

from datetime import datetime
from typing import Annotated

from fastapi import Path

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import ClockState
from guilder.domain.identity.schemas.access import NewApiKeyOut
from guilder.domain.identity.schemas.tenancy import (
    AdvanceIn,
    ClockOut,
    IssuerIn,
    IssuerOut,
    IssuerPatch,
    IssuerRef,
    SandboxIn,
    SandboxOut,
    TenantIn,
    TenantOut,
)
from guilder.kernel import ids
from guilder.kernel.page import Page
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(tags=["identity"])

IssuerPath = Annotated[IssuerRef, Path(alias="id")]


@router.get("/api/tenant")
async def read_tenant(session: Session) -> Envelope[TenantOut]:
    return ok(TenantOut.to_wire(await identity.tenant(session.tx)))


@router.patch("/api/tenant")
async def change_tenant(session: Session, body: TenantIn) -> Envelope[TenantOut]:
    changed = await identity.change_tenant(session.tx, name=body.name, time_zone=body.time_zone, now=session.now)
    return ok(TenantOut.to_wire(changed))


@router.get("/api/tenant/issuer")
async def read_issuer(session: Session) -> Envelope[IssuerOut]:
    found = await identity.issuer(session.tx, tenant_ids=[session.tenant_id])
    return ok(IssuerOut.to_wire(found[session.tenant_id]))


@router.put("/api/tenant/issuer")
async def set_issuer(session: Session, body: IssuerIn) -> Envelope[IssuerOut]:
    issuer = body.from_wire(session.tenant_id, ids.new(session.now))
    return ok(IssuerOut.to_wire(await identity.set_issuer(session.tx, issuer=issuer, now=session.now)))


@router.get("/api/issuers")
async def list_issuers(session: Session) -> ListEnvelope[IssuerOut]:
    """List the legal entities that issue invoices, the default first."""
    return listed(Page(await identity.issuers_of(session.tx)), IssuerOut.to_wire)


@router.post("/api/issuers", status_code=201)
async def add_issuer(session: Session, body: IssuerIn) -> Envelope[IssuerOut]:
    """Add a legal entity that issues invoices, with number formats of its own."""
    issuer = body.from_wire(session.tenant_id, ids.new(session.now))
    return ok(IssuerOut.to_wire(await identity.add_issuer(session.tx, issuer=issuer, now=session.now)))


@router.patch("/api/issuers/{id}")
async def change_issuer(session: Session, issuer_id: IssuerPath, body: IssuerPatch) -> Envelope[IssuerOut]:
    changed = await identity.change_issuer(session.tx, issuer_id=issuer_id, changes=body.from_wire(), now=session.now)
    return ok(IssuerOut.to_wire(changed))


@router.post("/api/issuers/{id}/default")
async def make_default_issuer(session: Session, issuer_id: IssuerPath) -> Envelope[IssuerOut]:
    """Have what names no issuer issued by this one from here on."""
    return ok(IssuerOut.to_wire(await identity.make_default_issuer(session.tx, issuer_id=issuer_id, now=session.now)))


@router.post("/api/sandboxes", status_code=201)
async def create_sandbox(session: Session, body: SandboxIn) -> Envelope[SandboxOut]:
    """Make a sandbox: a tenant with a clock that can be moved. Its API key is shown in this answer, and never again."""
    made = await identity.create_sandbox(session.tx, name=body.name, starts_at=body.starts_at, now=session.now)
    tenant, key = TenantOut.to_wire(made.tenant), NewApiKeyOut.with_text(made.key, made.text)
    return ok(SandboxOut(**dict(tenant), api_key=key))


@router.get("/api/clock")
async def read_clock(session: Session) -> Envelope[ClockOut]:
    tenant = await identity.tenant(session.tx)
    if not tenant.is_sandbox:
        return ok(ClockOut(now=session.now, is_sandbox=False))
    return ok(ClockOut.to_wire(await identity.sandbox_clock(session.tx)))


@router.post("/api/clock/advance", status_code=202, waits=True)
async def advance_clock(session: Session, body: AdvanceIn) -> Envelope[ClockOut]:
    """Move a sandbox's clock forward, doing what falls due on the way. With `Prefer: wait=N`, wait until it is there."""
    tenant = await identity.tenant(session.tx)
    to = body.instant(session.now, tenant.time_zone)
    clock = await identity.advance(session.tx, to=to, now=session.now)
    session.wait_for(_at_rest)
    return ok(ClockOut.to_wire(clock))


async def _at_rest(tx: Tx, _now: datetime) -> Envelope[ClockOut] | None:
    clock = await identity.sandbox_clock(tx)
    return None if clock.state is ClockState.ADVANCING else ok(ClockOut.to_wire(clock))
