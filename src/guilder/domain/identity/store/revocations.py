"""The SQL of whose tokens count no more, of what issuers told us, and of Clerk's keys."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from guilder.domain.identity.model import Role
from guilder.domain.identity.rules.revoking import Revocation, What
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_SECRET_KEY = "identity.clerk_keys.secret_key"  # noqa: S105  (the name of a column)
_WEBHOOK_SECRET = "identity.clerk_keys.webhook_secret"  # noqa: S105  (as above)
_BODY = "identity.notices.body"


async def about(tx: Tx, *, issuer: str, subject: str, organization: str, session: str) -> list[Revocation]:
    """Return what was heard that is about a token of this user, in this organization, of this session."""
    rows = await tx.fetch(
        """select * from identity.revocations
            where tenant_id = $1 and issuer = $2 and subject in ('', $3) and organization in ('', $4)
              and session in ('', $5)""",
        tx.tenant_id,
        issuer,
        subject,
        organization,
        session,
    )
    return [_revocation(row) for row in rows]


async def insert(tx: Tx, revocation: Revocation, *, id_: UUID, told_by: str, now: datetime) -> bool:
    """Keep what was heard, unless something later about the same is kept already; say whether it was news."""
    return bool(
        await tx.execute(
            """insert into identity.revocations as r (tenant_id, id, issuer, subject, organization, session, what, role,
                   since, told_by, heard_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
               on conflict (tenant_id, issuer, subject, organization, session, what) do update
                  set since = excluded.since, role = excluded.role, told_by = excluded.told_by,
                      heard_at = excluded.heard_at
                where r.since < excluded.since""",
            tx.tenant_id,
            id_,
            revocation.issuer,
            revocation.subject,
            revocation.organization,
            revocation.session,
            revocation.what.value,
            revocation.role.value if revocation.role else "",
            revocation.since,
            told_by,
            now,
        )
    )


async def find_notified(tx: Tx, trust_id: UUID) -> Ref | None:
    """Find whose trust a webhook's address names, before any tenant is known."""
    row = await tx.fetchrow("select tenant_id, id from identity.find_notified($1)", trust_id)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def insert_notice(
    tx: Tx, *, id_: UUID, trust_id: UUID, notice_id: str, kind: str, ignored_because: str, body: str, now: datetime
) -> bool:
    """Keep what came as it came; False where it came before."""
    [sealed] = await tx.vault.seal_many(tx, [Sealing(tx.tenant_id, tx.tenant_id, _BODY, body)], now=now)
    return bool(
        await tx.execute(
            """insert into identity.notices (tenant_id, id, trust_id, notice_id, type, ignored_because, sealed_body,
                   received_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
               on conflict (tenant_id, trust_id, notice_id) do nothing""",
            tx.tenant_id,
            id_,
            trust_id,
            notice_id,
            kind[:100],
            ignored_because,
            sealed,
            now,
        )
    )


async def purge_notices(tx: Tx, *, before: datetime, limit: int) -> int:
    """Forget what issuers told before then, of every tenant; up to a limit."""
    return int(await tx.fetchval("select identity.purge_notices($1, $2)", before, limit))


@dataclass(frozen=True, slots=True)
class ClerkKeys:
    """What Clerk is asked with, and what its webhooks are verified by; empty where there is none."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    changed_at: datetime | None = None


async def clerk_keys(tx: Tx, trust: Ref) -> ClerkKeys | None:
    row = await tx.fetchrow("select * from identity.clerk_keys where tenant_id = $1 and id = $2", *trust)
    if row is None:
        return None
    parts = {name: row[f"sealed_{name}"] for name in ("secret_key", "webhook_secret")}
    fields = {"secret_key": _SECRET_KEY, "webhook_secret": _WEBHOOK_SECRET}
    kept = [name for name, sealed in parts.items() if sealed]
    opened = await tx.vault.open_many(
        tx, [Sealed(trust.tenant_id, trust.tenant_id, fields[name], parts[name]) for name in kept]
    )
    said = dict(zip(kept, opened, strict=True))
    return ClerkKeys(said.get("secret_key") or "", said.get("webhook_secret") or "", row["changed_at"])


async def save_clerk_keys(tx: Tx, trust_id: UUID, keys: ClerkKeys, *, hint: str, now: datetime) -> None:
    wanted = [(_SECRET_KEY, keys.secret_key), (_WEBHOOK_SECRET, keys.webhook_secret)]
    sealings = [Sealing(tx.tenant_id, tx.tenant_id, name, text) for name, text in wanted if text]
    sealed = iter(await tx.vault.seal_many(tx, sealings, now=now) if sealings else [])
    await tx.execute(
        """insert into identity.clerk_keys (tenant_id, id, sealed_secret_key, sealed_webhook_secret, secret_key_hint,
               changed_at) values ($1, $2, $3, $4, $5, $6)
           on conflict (tenant_id, id) do update set sealed_secret_key = excluded.sealed_secret_key,
               secret_key_hint = excluded.secret_key_hint, sealed_webhook_secret = excluded.sealed_webhook_secret,
               changed_at = excluded.changed_at""",
        tx.tenant_id,
        trust_id,
        *[next(sealed) if text else b"" for _, text in wanted],
        hint,
        now,
    )


def _revocation(row: Row) -> Revocation:
    return Revocation(
        issuer=row["issuer"],
        subject=row["subject"],
        organization=row["organization"],
        session=row["session"],
        what=What(row["what"]),
        role=Role(row["role"]) if row["role"] else None,
        since=row["since"],
    )
