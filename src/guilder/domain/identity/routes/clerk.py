"""Clerk over HTTP: its keys, and the address that its webhooks come to."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Request

from guilder.domain.identity import service as identity
from guilder.domain.identity.schemas.access import TrustRef
from guilder.domain.identity.schemas.clerk import ClerkKeysIn, ClerkKeysOut, to_wire
from guilder.kernel.errors import Malformed, Unauthenticated
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visit, Visiting

NOTICE_MAX = 1_000_000
# Whose the address without an id is: the one that CLERK_WEBHOOK_SECRET in the environment belongs to.
DEFAULT_TENANT = "default"

router = Router(tags=["identity"])

TrustPath = Annotated[TrustRef, Path(alias="id")]


class ClerkNoticeRefused(Unauthenticated):
    """This webhook is not signed by whoever has this address's secret, or not now."""

    code = "webhook_refused"


class ClerkNoticeUnreadable(Malformed):
    """This webhook cannot be read."""

    code = "webhook_unreadable"


@router.get("/api/token-trusts/{id}/clerk")
async def get_clerk_keys(session: Session, trust_id: TrustPath) -> Envelope[ClerkKeysOut]:
    """Say whether Clerk is asked and heard for this trust, and where its webhooks are to go."""
    keys = await identity.clerk_keys(session.tx, trust_id=trust_id)
    return ok(to_wire(keys, trust_id=trust_id, base_url=session.base_url))


@router.put("/api/token-trusts/{id}/clerk")
async def set_clerk_keys(session: Session, trust_id: TrustPath, body: ClerkKeysIn) -> Envelope[ClerkKeysOut]:
    """Give what Clerk is asked with (`sk_…`), and what its webhooks are verified by (`whsec_…`)."""
    keys = await identity.set_clerk_keys(
        session.tx,
        trust_id=trust_id,
        secret_key=body.secret_key,
        webhook_secret=body.webhook_secret,
        now=session.now,
    )
    return ok(to_wire(keys, trust_id=trust_id, base_url=session.base_url))


# Clerk tells from a few addresses: it is not counted, its signature guards these.
@router.post("/api/webhooks/clerk", raw_body=True, body_max=NOTICE_MAX, cost=0)
async def receive_bare(visit: Visiting, request: Request) -> Envelope[dict[str, bool]]:
    """Take a webhook of the installation's own Clerk in."""
    async with visit.database.transaction(actor="webhook:clerk", request_id=visit.request_id) as tx:
        tenant_id = await identity.find_by_slug(tx, slug=DEFAULT_TENANT)
        if tenant_id is None:
            raise ClerkNoticeRefused
        await tx.narrow({tenant_id})
        trust = await identity.find_clerk_trust(tx)
    return await _receive(visit, request, trust)


@router.post("/api/webhooks/clerk/{trust_id}", raw_body=True, body_max=NOTICE_MAX, cost=0)
async def receive(visit: Visiting, request: Request, trust_id: str) -> Envelope[dict[str, bool]]:
    """Take one of Clerk's webhooks in: who left, lost a role or signed out. Kept, and answered when that is committed."""
    try:
        named = UUID(trust_id)
    except ValueError as error:
        raise ClerkNoticeRefused from error
    async with visit.database.transaction(actor="webhook:clerk", request_id=visit.request_id) as tx:
        trust = await identity.find_notified(tx, trust_id=named)
    return await _receive(visit, request, trust)


async def _receive(visit: Visit, request: Request, trust: Ref | None) -> Envelope[dict[str, bool]]:
    if trust is None:
        raise ClerkNoticeRefused
    body = await request.body()
    async with visit.database.transaction([trust.tenant_id], actor="webhook:clerk", request_id=visit.request_id) as tx:
        secret = await identity.open_webhook_secret(tx, trust=trust)
    try:
        notice_id = identity.verified_message(request.headers, body, secret=secret, now=visit.now)
    except identity.Unsigned as error:
        raise ClerkNoticeRefused from error

    async def work(tx: Tx) -> None:
        [domain] = await visit.clocks.domains(tx, [trust.tenant_id])
        await identity.receive_from_clerk(
            tx, trust=trust, notice_id=notice_id, body=body, wall=visit.now, now=domain.now
        )

    try:
        await visit.database.run(
            work,
            [trust.tenant_id],
            actor="webhook:clerk",
            request_id=visit.request_id,
            traceparent=visit.traceparent,
        )
    except identity.Unreadable as error:
        raise ClerkNoticeUnreadable from error
    return ok({"received": True})
