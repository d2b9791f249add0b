"""The SQL of sessions, and of what is kept of tries to sign in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from guilder.domain.identity.model import StaffSession
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx

SESSIONS_MAX = 1_000


class Tries(NamedTuple):
    """How often an address was tried, when last, and from when on the next try is taken."""

    tries: int
    last_at: datetime
    next_at: datetime


async def insert_session(tx: Tx, session: StaffSession, *, hash_: bytes) -> None:
    await tx.execute(
        """insert into identity.sessions (tenant_id, id, member_id, hash, trust_id, created_at, last_seen_at,
               verified_at, expires_at, agent, address)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        session.tenant_id,
        session.id,
        session.member_id,
        hash_,
        session.trust_id,
        session.created_at,
        session.last_seen_at,
        session.verified_at,
        session.expires_at,
        session.agent,
        session.address,
    )


async def find_session(tx: Tx, hash_: bytes) -> Ref | None:
    """Find whose a cookie is, before any tenant is known to the transaction."""
    row = await tx.fetchrow("select tenant_id, id from identity.find_session($1)", hash_)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def session(tx: Tx, session_id: UUID, *, lock: bool = False) -> StaffSession | None:
    row = await tx.fetchrow(
        f"select * from identity.sessions where tenant_id = $1 and id = $2 {'for no key update' if lock else ''}",
        tx.tenant_id,
        session_id,
    )
    return _session(row) if row else None


async def live_sessions(tx: Tx, *, member_id: UUID | None = None, trust_id: UUID | None = None) -> list[StaffSession]:
    """Return what has not ended, the newest first; whether it has expired is for the reader to say."""
    rows = await tx.fetch(
        """select * from identity.sessions
            where tenant_id = $1 and ended_at is null and ($2::uuid is null or member_id = $2)
              and ($3::uuid is null or trust_id = $3)
            order by id desc limit $4""",
        tx.tenant_id,
        member_id,
        trust_id,
        SESSIONS_MAX,
    )
    return [_session(row) for row in rows]


async def see_session(tx: Tx, session_id: UUID, *, now: datetime, every: timedelta) -> None:
    """Write that a session was used, unless that was written just before."""
    await tx.execute(
        """update identity.sessions set last_seen_at = $3::timestamptz
            where tenant_id = $1 and id = $2 and last_seen_at <= $3::timestamptz - $4::interval and ended_at is null""",
        tx.tenant_id,
        session_id,
        now,
        every,
    )


async def end_sessions(tx: Tx, session_ids: Sequence[UUID], *, reason: str, now: datetime) -> list[UUID]:
    """Mark sessions as ended; return those that were not before."""
    rows = await tx.fetch(
        """update identity.sessions set ended_at = $3, end_reason = $4
            where tenant_id = $1 and id = any($2::uuid[]) and ended_at is null returning id""",
        tx.tenant_id,
        list(session_ids),
        now,
        reason,
    )
    return [row["id"] for row in rows]


# Tries


async def lock_tries(tx: Tx, blind: bytes, *, now: datetime) -> Tries:
    """Read how often an address was tried, and keep other tries waiting until the commit."""
    await tx.execute(
        """insert into identity.sign_in_tries (tenant_id, email_hash, tries, last_at, next_at)
           values ($1, $2, 0, $3, $3) on conflict (tenant_id, email_hash) do nothing""",
        tx.tenant_id,
        blind,
        now,
    )
    row = await tx.fetchrow(
        """select tries, last_at, next_at from identity.sign_in_tries
            where tenant_id = $1 and email_hash = $2 for update""",
        tx.tenant_id,
        blind,
    )
    return Tries(row["tries"], row["last_at"], row["next_at"]) if row else Tries(0, now, now)


async def save_tries(tx: Tx, blind: bytes, tries: Tries) -> None:
    await tx.execute(
        """update identity.sign_in_tries set tries = $3, last_at = $4, next_at = $5
            where tenant_id = $1 and email_hash = $2""",
        tx.tenant_id,
        blind,
        tries.tries,
        tries.last_at,
        tries.next_at,
    )


async def forget_tries(tx: Tx, blinds: Sequence[bytes]) -> None:
    await tx.execute(
        "delete from identity.sign_in_tries where tenant_id = $1 and email_hash = any($2::bytea[])",
        tx.tenant_id,
        list(blinds),
    )


async def use_state(tx: Tx, hash_: bytes, *, expires_at: datetime) -> bool:
    """Write down that a state has come back; False if it had before."""
    return bool(
        await tx.execute(
            """insert into identity.used_states (tenant_id, hash, expires_at) values ($1, $2, $3)
               on conflict (tenant_id, hash) do nothing""",
            tx.tenant_id,
            hash_,
            expires_at,
        )
    )


async def purge_sign_ins(tx: Tx, *, sessions_before: datetime, tries_before: datetime, limit: int) -> int:
    return int(await tx.fetchval("select identity.purge_sign_ins($1, $2, $3)", sessions_before, tries_before, limit))


def _session(row: Row) -> StaffSession:
    return StaffSession(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        member_id=row["member_id"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=row["expires_at"],
        verified_at=row["verified_at"],
        trust_id=row["trust_id"],
        ended_at=row["ended_at"],
        agent=row["agent"],
        address=row["address"],
    )
