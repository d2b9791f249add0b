"""The SQL of a tenant's staff, and of the passwords that some of them have here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.identity.model import Member, Role
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_EMAIL = "identity.members.email"
_MEMBERS = """select m.*, p.id is not null as has_password
    from identity.members m left join identity.passwords p on (p.tenant_id, p.id) = (m.tenant_id, m.id)"""


@dataclass(frozen=True, slots=True)
class _EmailHash:
    """An e-mail address as it is searched: keyed, and keyed by tenant."""

    about: str
    text: str


def _email_hash(tenant_id: TenantId, email: str) -> _EmailHash:
    return _EmailHash(f"{_EMAIL}:{tenant_id}", email.strip().casefold())


async def insert_member(tx: Tx, member: Member, *, now: datetime) -> bool:
    """Write a new member; False if the e-mail address is one's already."""
    hashed = _email_hash(member.tenant_id, member.email)
    [sealed] = await tx.vault.seal_many(tx, [Sealing(member.tenant_id, member.id, _EMAIL, member.email)], now=now)
    inserted = await tx.execute(
        """insert into identity.members (tenant_id, id, sealed_email, email_hash, role, created_at)
           select $1, $2, $3, $4, $5, $6
            where not exists (select from identity.members where tenant_id = $1 and email_hash = any($7::bytea[]))
           on conflict (tenant_id, email_hash) do nothing""",
        member.tenant_id,
        member.id,
        sealed,
        tx.vault.ring.blind(hashed.text, about=hashed.about),
        member.role.value,
        now,
        tx.vault.ring.blinds(hashed.text, about=hashed.about),
    )
    return bool(inserted)


async def members(tx: Tx) -> list[Member]:
    rows = await tx.fetch(f"{_MEMBERS} order by m.id desc limit 1000")
    emails = await tx.vault.open_many(
        tx, [Sealed(row["tenant_id"], row["id"], _EMAIL, row["sealed_email"]) for row in rows]
    )
    return [_member(row, email or "") for row, email in zip(rows, emails, strict=True)]


async def member_by_subject(tx: Tx, subject: str) -> Member | None:
    row = await tx.fetchrow(f"{_MEMBERS} where m.tenant_id = $1 and m.subject = $2", tx.tenant_id, subject)
    return _member(row, "") if row else None


async def join_member(tx: Tx, *, email: str, subject: str) -> Member | None:
    """Tie an invited person's verified e-mail address to who they are; None if nobody of it is still invited."""
    hashed = _email_hash(tx.tenant_id, email)
    row = await tx.fetchrow(
        """update identity.members set subject = $3
            where tenant_id = $1 and email_hash = any($2::bytea[]) and subject is null returning *, false as has_password""",
        tx.tenant_id,
        tx.vault.ring.blinds(hashed.text, about=hashed.about),
        subject,
    )
    return _member(row, "") if row else None


async def member(tx: Tx, member_id: UUID, *, lock: bool = False) -> Member | None:
    """Read a member of the transaction's tenant, with the e-mail address."""
    row = await tx.fetchrow(
        f"{_MEMBERS} where m.tenant_id = $1 and m.id = $2 {'for no key update of m' if lock else ''}",
        tx.tenant_id,
        member_id,
    )
    return await _opened(tx, row) if row else None


async def member_by_email(tx: Tx, email: str) -> Member | None:
    hashed = _email_hash(tx.tenant_id, email)
    row = await tx.fetchrow(
        f"{_MEMBERS} where m.tenant_id = $1 and m.email_hash = any($2::bytea[])",
        tx.tenant_id,
        tx.vault.ring.blinds(hashed.text, about=hashed.about),
    )
    return await _opened(tx, row) if row else None


async def save_role(tx: Tx, member_id: UUID, role: Role) -> None:
    await tx.execute(
        "update identity.members set role = $3 where tenant_id = $1 and id = $2", tx.tenant_id, member_id, role.value
    )


async def delete_member(tx: Tx, member_id: UUID) -> None:
    """Delete a member, with password and sessions."""
    await tx.execute("delete from identity.members where tenant_id = $1 and id = $2", tx.tenant_id, member_id)


# Passwords


async def password_hash(tx: Tx, member_id: UUID) -> str | None:
    found: str | None = await tx.fetchval(
        "select hash from identity.passwords where tenant_id = $1 and id = $2", tx.tenant_id, member_id
    )
    return found


async def save_password(tx: Tx, member_id: UUID, hash_: str, *, now: datetime) -> None:
    await tx.execute(
        """insert into identity.passwords (tenant_id, id, hash, changed_at) values ($1, $2, $3, $4)
           on conflict (tenant_id, id) do update set hash = excluded.hash, changed_at = excluded.changed_at""",
        tx.tenant_id,
        member_id,
        hash_,
        now,
    )


def email_blind(tx: Tx, email: str, *, is_inside: bool = False) -> bytes:
    """Return what tries at an address are counted under; of whoever is signed in apart, or strangers would hold them up."""
    hashed = _email_hash(tx.tenant_id, email)
    return tx.vault.ring.blind(hashed.text, about=f"{hashed.about}:inside" if is_inside else hashed.about)


def email_blinds(tx: Tx, email: str) -> list[bytes]:
    return [email_blind(tx, email), email_blind(tx, email, is_inside=True)]


async def _opened(tx: Tx, row: Row) -> Member:
    [email] = await tx.vault.open_many(tx, [Sealed(TenantId(row["tenant_id"]), row["id"], _EMAIL, row["sealed_email"])])
    return _member(row, email or "")


def _member(row: Row, email: str) -> Member:
    return Member(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        email=email,
        role=Role(row["role"]),
        subject=row["subject"] or "",
        has_password=row["has_password"],
    )


async def hash_emails_again(tx: Tx) -> None:
    """Hash the e-mail addresses of all members with the current master key."""
    for each in await members(tx):
        hashed = _email_hash(each.tenant_id, each.email)
        if each.email:
            await tx.execute(
                "update identity.members set email_hash = $3 where tenant_id = $1 and id = $2 and email_hash <> $3",
                each.tenant_id,
                each.id,
                tx.vault.ring.blind(hashed.text, about=hashed.about),
            )
