"""Sessions of staff: begun, seen, ended. What the browser keeps is 256 random bits; what is kept here is their SHA-256."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.identity import store
from guilder.domain.identity.events import SessionBegan, SessionEnded
from guilder.domain.identity.model import Member, StaffSession
from guilder.domain.identity.rules import signing_in as rules
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.platform import crypto
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.http.calls import agent_of, network_of

PURGE_MAX = 5_000
SESSIONS_MAX = 50


class Browser(NamedTuple):
    """What comes: its User-Agent and its address, as they are. Of both only a part is kept."""

    agent: str = ""
    address: str = ""


class Proof(NamedTuple):
    """How somebody proved who they are: by a password, or at the issuer of a trust, which may say when."""

    trust_id: UUID | None
    verified_at: datetime | None


class SignedIn(NamedTuple):
    """A session that has begun. `token` is the browser's to keep: it is not shown again."""

    session: StaffSession
    member: Member
    token: str


async def begin_session(
    tx: Tx, *, member: Member, proof: Proof, browser: Browser, wall: datetime, now: datetime
) -> SignedIn:
    """Let a member in. Each proof begins a session of its own, so that an id known before is worth nothing after; of too
    many of one member the oldest end.

    `wall` is the present by which sessions count; `now` is the tenant's, by which things happen.
    """
    before = await store.live_sessions(tx, member_id=member.id)
    await _end(tx, before[SESSIONS_MAX - 1 :], "replaced", now)
    token = crypto.new_secret()
    session = StaffSession(
        tenant_id=tx.tenant_id,
        id=ids.new(wall),
        member_id=member.id,
        created_at=wall,
        last_seen_at=wall,
        expires_at=wall + rules.LIFETIME,
        verified_at=proof.verified_at,
        trust_id=proof.trust_id,
        agent=agent_of(browser.agent),
        address=network_of(browser.address),
    )
    await store.insert_session(tx, session, hash_=crypto.digest(token))
    way = "oidc" if proof.trust_id else "password"
    began = SessionBegan(tenant_id=tx.tenant_id, session_id=session.id, member_id=member.id, way=way)
    outbox.announce(tx, [began], now=now)
    return SignedIn(session, member, token)


async def sessions(tx: Tx, *, wall: datetime) -> list[StaffSession]:
    """Return the tenant's sessions that count, the newest first."""
    return [each for each in await store.live_sessions(tx) if rules.is_alive(each, now=wall)]


async def end_session(tx: Tx, *, session_id: UUID, reason: str, now: datetime) -> StaffSession:
    """End a session: the next request with it is refused. Twice changes nothing.

    :raises NotFound: no such session
    """
    found = await store.session(tx, session_id, lock=True)
    if found is None:
        raise NotFound("there is no such session")
    await _end(tx, [found], reason, now)
    return found


async def end_sessions_of(tx: Tx, *, member_id: UUID, reason: str, now: datetime) -> None:
    """End every session of a member."""
    await _end(tx, await store.live_sessions(tx, member_id=member_id), reason, now)


async def end_sessions_by(tx: Tx, *, trust_id: UUID, now: datetime) -> None:
    """End every session that began at the issuer of a trust."""
    while found := await store.live_sessions(tx, trust_id=trust_id):
        await _end(tx, found, "trust_removed", now)


async def purge_sign_ins(tx: Tx, *, sessions_before: datetime, tries_before: datetime) -> int:
    """Forget sessions that expired before, and tries and states older than `tries_before`; up to a limit of each."""
    return await store.purge_sign_ins(tx, sessions_before=sessions_before, tries_before=tries_before, limit=PURGE_MAX)


async def _end(tx: Tx, found: Sequence[StaffSession], reason: str, now: datetime) -> None:
    members = {each.id: each.member_id for each in found}
    ended = await store.end_sessions(tx, list(members), reason=reason, now=now)
    outbox.announce(
        tx,
        [
            SessionEnded(tenant_id=tx.tenant_id, session_id=each, member_id=members[each], reason=reason)
            for each in ended
        ],
        now=now,
    )
