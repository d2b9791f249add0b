"""API keys and trusted issuers of tokens, over HTTP."""

from functools import partial
from typing import Annotated

from fastapi import Path

from guilder.domain.identity import service as identity
from guilder.domain.identity.schemas.access import (
    ApiKeyIn,
    ApiKeyOut,
    KeyRef,
    NewApiKeyOut,
    RemovedOut,
    TokenTrustIn,
    TokenTrustOut,
    TrustRef,
)
from guilder.kernel.page import Page
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(tags=["identity"])

KeyPath = Annotated[KeyRef, Path(alias="id")]
TrustPath = Annotated[TrustRef, Path(alias="id")]


@router.get("/api/api-keys")
async def list_keys(session: Session) -> ListEnvelope[ApiKeyOut]:
    return listed(Page(await identity.keys(session.tx)), ApiKeyOut.to_wire)


@router.post("/api/api-keys", status_code=201)
async def mint_key(session: Session, body: ApiKeyIn) -> Envelope[NewApiKeyOut]:
    """Make an API key. It is shown in this answer, and never again."""
    key, text = await identity.mint_key(
        session.tx,
        name=body.name,
        role=body.role,
        scopes=body.scopes,
        expires_at=body.expires_at,
        now=session.now,
        held=session.principal.scopes,
    )
    return ok(NewApiKeyOut.with_text(key, text))


@router.delete("/api/api-keys/{id}")
async def revoke_key(session: Session, key_id: KeyPath) -> Envelope[ApiKeyOut]:
    return ok(ApiKeyOut.to_wire(await identity.revoke_key(session.tx, key_id=key_id, now=session.now)))


@router.get("/api/token-trusts")
async def list_trusts(session: Session) -> ListEnvelope[TokenTrustOut]:
    to_wire = partial(TokenTrustOut.to_wire, base_url=session.base_url)
    return listed(Page(await identity.trusts(session.tx)), to_wire)


@router.post("/api/token-trusts", status_code=201)
async def add_trust(session: Session, body: TokenTrustIn) -> Envelope[TokenTrustOut]:
    """Believe tokens of this issuer: the users of your customers, and your staff, come in with them."""
    made = await identity.trust(session.tx, **dict(body), now=session.now)
    return ok(TokenTrustOut.to_wire(made, base_url=session.base_url))


@router.delete("/api/token-trusts/{id}")
async def remove_trust(session: Session, trust_id: TrustPath) -> Envelope[RemovedOut]:
    await identity.distrust(session.tx, trust_id=trust_id, now=session.now)
    return ok(RemovedOut(id=trust_id))
