"""What OIDC issuers tell by their back channel: somebody signed out there, and so is signed out here."""

from datetime import datetime

from guilder.domain.identity import store
from guilder.domain.identity.model import TokenTrust, TrustKind
from guilder.domain.identity.rules import logging_out as rules
from guilder.domain.identity.rules.logging_out import Logout, NoLogout
from guilder.domain.identity.service.revocations import revoke
from guilder.domain.identity.service.sessions import end_sessions_of
from guilder.domain.identity.service.token_trusts import Verifiers
from guilder.domain.identity.store import access
from guilder.domain.identity.store import revocations as rows
from guilder.kernel import ids
from guilder.kernel.errors import Unauthenticated
from guilder.kernel.ids import Ref
from guilder.platform.auth.jwt import verify_signed
from guilder.platform.db.tx import Tx

KIND = "backchannel-logout"


async def trust_that_logs_out(tx: Tx, *, trust: Ref) -> TokenTrust | None:
    """Return the trust, where tokens of its issuer can be verified here."""
    found = next((each for each in await access.trusts(tx) if each.id == trust.id), None)
    return found if found is not None and found.kind is not TrustKind.INTROSPECTION else None


async def verified_logout(verifiers: Verifiers, token: str, *, trust: TokenTrust, now: datetime) -> Logout:
    """Return what a logout token says; never in a transaction, for the issuer's keys may have to be fetched.

    :raises NoLogout: it is not the issuer's, not for us, too old, or a token of another use
    :raises Unavailable: the issuer's keys could never be had
    """
    try:
        claims = await verify_signed(token, trust=verifiers.client_trust(trust), types=rules.TYPES)
    except Unauthenticated as error:
        raise NoLogout("signature") from error
    return rules.logout_of(claims, audiences={each for each in (trust.client_id, trust.audience) if each}, now=now)


async def receive_logout(tx: Tx, *, trust: Ref, logout: Logout, token: str, wall: datetime, now: datetime) -> None:
    """Keep a verified logout as it came, and heed it; a second time nothing happens."""
    is_news = await rows.insert_notice(
        tx,
        id_=ids.new(wall),
        trust_id=trust.id,
        notice_id=logout.id,
        kind=KIND,
        ignored_because="",
        body=token,
        now=wall,
    )
    if not is_news:
        return
    await revoke(tx, revocation=logout.revocation, told_by=KIND, wall=wall, now=now)
    # Which of the issuer's sessions one of ours began with is not kept: all of that person's end.
    if logout.subject:
        member = await store.member_by_subject(tx, f"{logout.revocation.issuer}|{logout.subject}")
        if member is not None:
            await end_sessions_of(tx, member_id=member.id, reason="signed_out_at_issuer", now=now)
