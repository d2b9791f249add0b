"""The SQL of tenants, their issuers and their clocks."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.identity.model import Address, ClockState, Issuer, Mode, SandboxClock, Tenant, TenantStatus
from guilder.kernel.ids import TenantId
from guilder.platform.cache.near import RIGHTS
from guilder.platform.db.tx import Row, Tx

_ISSUERS = """select *, address::text as address_json, minimum_charges::text as minimum_json,
    charge_increments::text as increments_json from identity.issuers"""
_INSERT_ISSUER = """insert into identity.issuers (tenant_id, id, legal_name, address, vat_id, registration, email, logo_svg,
        number_format, footer, sender_name, sender_email, language, terms_days, is_default, created_at,
        credit_note_format, consolidates, minimum_charges, charge_increments)
    values ($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::jsonb, $20::jsonb)"""
_SET = """legal_name = excluded.legal_name, address = excluded.address, vat_id = excluded.vat_id,
    registration = excluded.registration, email = excluded.email, logo_svg = excluded.logo_svg,
    number_format = excluded.number_format, footer = excluded.footer, sender_name = excluded.sender_name,
    sender_email = excluded.sender_email, language = excluded.language, terms_days = excluded.terms_days,
    credit_note_format = excluded.credit_note_format, consolidates = excluded.consolidates,
    minimum_charges = excluded.minimum_charges, charge_increments = excluded.charge_increments"""


async def insert_tenant(tx: Tx, tenant: Tenant) -> bool:
    """Write a new tenant; False if its slug is taken."""
    inserted = await tx.execute(
        """insert into identity.tenants (tenant_id, name, slug, mode, status, time_zone, is_demo, root_id, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (slug) do nothing""",
        tenant.tenant_id,
        tenant.name,
        tenant.slug,
        tenant.mode.value,
        tenant.status.value,
        tenant.time_zone,
        tenant.is_demo,
        tenant.root_id or tenant.tenant_id,
        tenant.created_at,
    )
    return bool(inserted)


async def tenants(tx: Tx, ids: Sequence[TenantId]) -> list[Tenant]:
    rows = await tx.fetch("select * from identity.tenants where tenant_id = any($1::uuid[])", list(ids))
    return [_tenant(row) for row in rows]


async def visible(tx: Tx) -> list[Tenant]:
    rows = await tx.fetch("select * from identity.tenants order by root_id, mode = 'sandbox', created_at, tenant_id")
    return [_tenant(row) for row in rows]


async def lock_tenant(tx: Tx) -> Tenant | None:
    row = await tx.fetchrow("select * from identity.tenants where tenant_id = $1 for no key update", tx.tenant_id)
    return _tenant(row) if row else None


async def sandboxes_of(tx: Tx, root_id: TenantId) -> list[TenantId]:
    rows = await tx.fetch("select tenant_id from identity.sandboxes_of($1)", root_id)
    return [TenantId(row["tenant_id"]) for row in rows]


async def suspend_with_root(tx: Tx, *, sandboxes: Sequence[TenantId], reason: str) -> list[TenantId]:
    """Suspend those of these sandboxes that are not yet; return which."""
    rows = await tx.fetch(
        """update identity.tenants set status = 'suspended', status_reason = $2, follows_root = true
            where tenant_id = any($1::uuid[]) and status = 'active' returning tenant_id""",
        sorted(sandboxes),
        reason,
    )
    for row in rows:
        tx.touch(TenantId(row["tenant_id"]), RIGHTS)
    return [TenantId(row["tenant_id"]) for row in rows]


async def resume_with_root(tx: Tx, *, sandboxes: Sequence[TenantId], reason: str) -> list[TenantId]:
    """Let those of these sandboxes in again that were suspended because their root was; return which."""
    rows = await tx.fetch(
        """update identity.tenants set status = 'active', status_reason = $2, follows_root = false
            where tenant_id = any($1::uuid[]) and status = 'suspended' and follows_root returning tenant_id""",
        sorted(sandboxes),
        reason,
    )
    return [TenantId(row["tenant_id"]) for row in rows]


async def save_tenant(tx: Tx, tenant: Tenant, *, reason: str = "") -> None:
    if tenant.status is not TenantStatus.ACTIVE:
        tx.touch(tenant.tenant_id, RIGHTS)
    await tx.execute(
        """update identity.tenants set name = $2, time_zone = $3, status = $4, status_reason = $5, follows_root = false
            where tenant_id = $1""",
        tenant.tenant_id,
        tenant.name,
        tenant.time_zone,
        tenant.status.value,
        reason,
    )


async def tenant_by_slug(tx: Tx, slug: str) -> TenantId | None:
    found: TenantId | None = await tx.fetchval("select tenant_id from identity.tenant_by_slug($1)", slug)
    return found


async def sandbox_count(tx: Tx, root_id: TenantId) -> int:
    counted: int = await tx.fetchval("select count(*) from identity.sandboxes_of($1)", root_id)
    return counted


# Issuers


async def issuers(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[Issuer]:
    rows = await tx.fetch(f"{_ISSUERS} where is_default and tenant_id = any($1::uuid[])", list(tenant_ids))
    return [_issuer(row) for row in rows]


async def issuers_of(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[Issuer]:
    """Read every issuer of these tenants, the default of each first."""
    rows = await tx.fetch(
        f"{_ISSUERS} where tenant_id = any($1::uuid[]) order by tenant_id, is_default desc, id", list(tenant_ids)
    )
    return [_issuer(row) for row in rows]


async def lock_issuers(tx: Tx) -> None:
    """Keep everybody else from changing the tenant's issuers until the commit."""
    await tx.execute("select from identity.tenants where tenant_id = $1 for no key update", tx.tenant_id)


async def save_issuer(tx: Tx, issuer: Issuer, *, now: datetime) -> UUID:
    """Write the default issuer; the one there is keeps its id, which is returned."""
    found: UUID = await tx.fetchval(
        f"{_INSERT_ISSUER} on conflict (tenant_id) where is_default do update set {_SET} returning id",
        *_issuer_values(issuer, now=now),
    )
    return found


async def write_issuer(tx: Tx, issuer: Issuer, *, now: datetime) -> None:
    """Write an issuer by its id: a new one, or what is different about one there is."""
    await tx.execute(
        f"{_INSERT_ISSUER} on conflict (tenant_id, id) do update set {_SET}", *_issuer_values(issuer, now=now)
    )


async def make_default(tx: Tx, issuer_id: UUID) -> None:
    # One after the other: at no instant are there two.
    await tx.execute("update identity.issuers set is_default = false where tenant_id = $1 and is_default", tx.tenant_id)
    await tx.execute(
        "update identity.issuers set is_default = true where tenant_id = $1 and id = $2", tx.tenant_id, issuer_id
    )


def _issuer_values(issuer: Issuer, *, now: datetime) -> tuple[object, ...]:
    return (
        issuer.tenant_id,
        issuer.id,
        issuer.legal_name,
        msgspec.json.encode(issuer.address).decode(),
        issuer.vat_id,
        issuer.registration,
        issuer.email,
        issuer.logo_svg,
        issuer.number_format,
        issuer.footer,
        issuer.sender_name,
        issuer.sender_email,
        issuer.language,
        issuer.terms_days,
        issuer.is_default,
        now,
        issuer.credit_note_format,
        issuer.consolidates,
        msgspec.json.encode(issuer.minimum_charges).decode(),
        msgspec.json.encode(issuer.charge_increments).decode(),
    )


# Sandbox clocks


async def insert_clock(tx: Tx, tenant_id: TenantId, *, now: datetime) -> None:
    await tx.execute(
        "insert into identity.sandbox_clocks (tenant_id, now_at, state) values ($1, $2, 'at_rest')", tenant_id, now
    )


async def clock(tx: Tx, *, lock: bool = False) -> SandboxClock | None:
    row = await tx.fetchrow(
        f"select * from identity.sandbox_clocks where tenant_id = $1 {'for no key update' if lock else ''}",
        tx.tenant_id,
    )
    return _clock(row) if row else None


async def clock_if_free(tx: Tx, tenant_id: TenantId) -> SandboxClock | None:
    """Lock a clock; None where somebody else has it, or there is none."""
    row = await tx.fetchrow(
        "select * from identity.sandbox_clocks where tenant_id = $1 for no key update skip locked", tenant_id
    )
    return _clock(row) if row else None


async def save_clock(tx: Tx, clock: SandboxClock) -> None:
    await tx.execute(
        """update identity.sandbox_clocks set now_at = $2, target_at = $3, state = $4, detail = $5
            where tenant_id = $1""",
        clock.tenant_id,
        clock.now,
        clock.target,
        clock.state.value,
        clock.detail,
    )


async def sandbox_times(tx: Tx, tenant_ids: Sequence[TenantId]) -> dict[TenantId, datetime]:
    rows = await tx.fetch(
        "select tenant_id, now_at from identity.sandbox_clocks where tenant_id = any($1::uuid[])", list(tenant_ids)
    )
    return {TenantId(row["tenant_id"]): row["now_at"] for row in rows}


async def sandboxes(tx: Tx) -> list[tuple[TenantId, bool]]:
    rows = await tx.fetch(
        """select s.tenant_id, a.tenant_id is not null as is_advancing
             from identity.sandboxes() s left join identity.advancing() a on a.tenant_id = s.tenant_id"""
    )
    return [(TenantId(row["tenant_id"]), row["is_advancing"]) for row in rows]


def _tenant(row: Row) -> Tenant:
    root = TenantId(row["root_id"])
    tenant_id = TenantId(row["tenant_id"])
    return Tenant(
        tenant_id=tenant_id,
        name=row["name"],
        slug=row["slug"],
        mode=Mode(row["mode"]),
        status=TenantStatus(row["status"]),
        time_zone=row["time_zone"],
        created_at=row["created_at"],
        is_demo=row["is_demo"],
        root_id=None if root == tenant_id else root,
    )


def _issuer(row: Row) -> Issuer:
    return Issuer(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        legal_name=row["legal_name"],
        address=msgspec.json.decode(row["address_json"], type=Address),
        vat_id=row["vat_id"],
        registration=row["registration"],
        email=row["email"],
        logo_svg=row["logo_svg"],
        number_format=row["number_format"],
        footer=row["footer"],
        sender_name=row["sender_name"],
        sender_email=row["sender_email"],
        language=row["language"],
        terms_days=row["terms_days"],
        is_default=row["is_default"],
        credit_note_format=row["credit_note_format"],
        consolidates=row["consolidates"],
        minimum_charges=msgspec.json.decode(row["minimum_json"], type=dict[str, int]),
        charge_increments=msgspec.json.decode(row["increments_json"], type=dict[str, int]),
    )


def _clock(row: Row) -> SandboxClock:
    return SandboxClock(
        tenant_id=TenantId(row["tenant_id"]),
        now=row["now_at"],
        target=row["target_at"],
        state=ClockState(row["state"]),
        detail=row["detail"],
    )
