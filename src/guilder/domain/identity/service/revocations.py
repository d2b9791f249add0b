"""Revocations: heard of issuers, and asked about with every token. They are read anew each time, on every node."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guilder.domain.identity import store
from guilder.domain.identity.events import AccessRevoked
from guilder.domain.identity.model import Role as ModelRole
from guilder.domain.identity.rules import revoking as rules
from guilder.domain.identity.rules.revoking import Fate, Revocation, What
from guilder.domain.identity.service.sessions import end_sessions_of
from guilder.domain.identity.store import revocations as rows
from guilder.kernel import ids
from guilder.platform.auth.jwt import VerifiedToken
from guilder.platform.auth.principal import Role
from guilder.platform.auth.proving import issued_at
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

PURGE_MAX = 5_000


async def fate_of(tx: Tx, token: VerifiedToken) -> Fate:
    """Say what is left of a token, by what was heard of its user, organization and session since it was made."""
    heard = await rows.about(
        tx,
        issuer=token.issuer,
        subject=token.subject,
        organization=token.organization_id or "",
        session=session_of(token.claims),
    )
    return rules.fate(heard, issued_at=issued_at(token.claims))


async def revoke(tx: Tx, *, revocation: Revocation, told_by: str, wall: datetime, now: datetime) -> bool:
    """Have tokens from before count no more, or for less; say whether that was news.

    Whoever is gone as a whole loses sessions here, too. `wall` is the present by which tokens count, `now` the tenant's.
    """
    id_ = ids.new(wall)
    if not await rows.insert(tx, revocation, id_=id_, told_by=told_by, now=wall):
        return False
    outbox.announce(tx, [AccessRevoked(tenant_id=tx.tenant_id, what=revocation.what.value, told_by=told_by)], now=now)
    if revocation.what is What.ENDED and revocation.subject and not revocation.organization:
        member = await store.member_by_subject(tx, f"{revocation.issuer}|{revocation.subject}")
        if member is not None:
            await end_sessions_of(tx, member_id=member.id, reason="revoked", now=now)
    return True


async def purge_notices(tx: Tx, *, before: datetime) -> int:
    """Forget what issuers told before then, up to a limit; what followed from it stays."""
    return await rows.purge_notices(tx, before=before, limit=PURGE_MAX)


def capped(role: Role, most: ModelRole | None) -> Role:
    """Return a token's role, or the most that is left of it."""
    return Role(rules.capped(ModelRole(role.value), most).value)


def session_of(claims: Mapping[str, Any]) -> str:
    sid = claims.get("sid")
    return sid if isinstance(sid, str) and len(sid) <= rules.NAME_MAX else ""
