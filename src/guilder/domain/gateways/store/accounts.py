"""Accounts at providers, their sealed secrets, and how well they do."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import GatewayAccount, OpenAccount, Registration
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import OWN_KEY, Sealed, Sealing

_SECRET = "gateways.accounts.sealed_secret"  # noqa: S105  (what a secret is sealed as)
_ENDPOINT_SECRET = "gateways.accounts.sealed_endpoint_secret"  # noqa: S105
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert_account(
    tx: Tx, account: GatewayAccount, *, secret_key: str, endpoint_secret: str, hears_bare_path: bool, now: datetime
) -> None:
    secret, endpoint = await tx.vault.seal_many(
        tx,
        [
            Sealing(account.tenant_id, account.tenant_id, _SECRET, secret_key),
            Sealing(account.tenant_id, account.tenant_id, _ENDPOINT_SECRET, endpoint_secret),
        ],
        now=now,
    )
    await tx.execute(
        """insert into gateways.accounts (tenant_id, id, gateway, name, sealed_secret, sealed_endpoint_secret,
               endpoint_id, provider_account, is_on_own_clock, is_default, is_active, hears_bare_path, created_at,
               settings, books_due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb,
                   case when $9 then null else $13::timestamptz end)""",
        account.tenant_id,
        account.id,
        account.gateway,
        account.name,
        secret,
        endpoint,
        account.endpoint_id,
        account.provider_account,
        account.is_on_own_clock,
        account.is_default,
        account.is_active,
        hears_bare_path,
        account.created_at,
        json.dumps(dict(account.settings)),
    )


async def change_secret(
    tx: Tx, ref: Ref, *, secret_key: str, provider_account: str, settings: Mapping[str, str], now: datetime
) -> None:
    """Use another key from now on; `settings` are added to what there is."""
    [secret] = await tx.vault.seal_many(tx, [Sealing(ref.tenant_id, ref.tenant_id, _SECRET, secret_key)], now=now)
    await tx.execute(
        """update gateways.accounts set sealed_secret = $3, provider_account = $4, settings = settings || $5::jsonb,
               refused_at = null, outages = 0, down_until = null
           where tenant_id = $1 and id = $2""",
        *ref,
        secret,
        provider_account,
        json.dumps(dict(settings)),
    )


async def lock_accounts(tx: Tx, tenant_id: TenantId) -> None:
    """Let whoever chooses among the tenant's accounts, or connects its first, wait for us; what is charged with them does
    not."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('gateways.accounts:' || $1::uuid::text, 0))", tenant_id
    )


async def set_active(tx: Tx, ref: Ref, *, is_active: bool) -> None:
    await tx.execute("update gateways.accounts set is_active = $3 where tenant_id = $1 and id = $2", *ref, is_active)


async def set_default(tx: Tx, ref: Ref) -> None:
    await clear_default(tx, ref.tenant_id)
    await tx.execute("update gateways.accounts set is_default = true where tenant_id = $1 and id = $2", *ref)


async def clear_default(tx: Tx, tenant_id: TenantId) -> None:
    await tx.execute("update gateways.accounts set is_default = false where tenant_id = $1 and is_default", tenant_id)


async def accounts(tx: Tx) -> list[GatewayAccount]:
    rows = await tx.fetch("select * from gateways.accounts order by tenant_id, id limit 1000")
    return [_account_from_row(row) for row in rows]


async def accounts_of(tx: Tx, refs: Sequence[Ref]) -> list[GatewayAccount]:
    rows = await tx.fetch(f"select * from gateways.accounts where {_NAMED}", *_split(refs))
    return [_account_from_row(row) for row in rows]


async def default_accounts(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[GatewayAccount]:
    rows = await tx.fetch(
        "select * from gateways.accounts where tenant_id = any ($1::uuid[]) and is_default and is_active",
        list(tenant_ids),
    )
    return [_account_from_row(row) for row in rows]


async def active_accounts(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[GatewayAccount]:
    """Read the accounts that can be charged with, each tenant's default first, then the oldest."""
    rows = await tx.fetch(
        """select * from gateways.accounts where tenant_id = any ($1::uuid[]) and is_active
           order by tenant_id, is_default desc, id""",
        list(tenant_ids),
    )
    return [_account_from_row(row) for row in rows]


async def open_accounts(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, OpenAccount]:
    """Read accounts with their secrets."""
    rows = await tx.fetch(f"select *, {OWN_KEY} from gateways.accounts t where {_NAMED}", *_split(sorted(set(refs))))
    tx.vault.hold_own(tx, rows)
    sealed = [
        Sealed(TenantId(row["tenant_id"]), row["tenant_id"], name, row[column])
        for row in rows
        for name, column in ((_SECRET, "sealed_secret"), (_ENDPOINT_SECRET, "sealed_endpoint_secret"))
    ]
    opened = [text or "" for text in await tx.vault.open_many(tx, sealed)]
    return {
        Ref(TenantId(row["tenant_id"]), row["id"]): OpenAccount(
            account=_account_from_row(row), secret_key=opened[2 * n], endpoint_secret=opened[2 * n + 1]
        )
        for n, row in enumerate(rows)
    }


async def find_endpoint(tx: Tx, endpoint_id: UUID) -> Ref | None:
    """Find whose webhook endpoint this is, before any tenant is known."""
    row = await tx.fetchrow("select tenant_id, id from gateways.find_endpoint($1)", endpoint_id)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def find_bare_endpoint(tx: Tx, gateway: str) -> Ref | None:
    row = await tx.fetchrow("select tenant_id, id from gateways.find_bare_endpoint($1)", gateway)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def lock_named(tx: Tx) -> None:
    """Let only one process at a time connect what the environment names."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('gateways.named', 0))")


async def mark_registered(tx: Tx, connected: Sequence[tuple[GatewayAccount, Registration]], *, now: datetime) -> None:
    """Note that our address is registered, with the secret and the names that the provider gave, where it did."""
    made = [(account, each.endpoint_secret) for account, each in connected if each.endpoint_secret]
    secrets = iter(
        await tx.vault.seal_many(
            tx,
            [Sealing(account.tenant_id, account.tenant_id, _ENDPOINT_SECRET, secret) for account, secret in made],
            now=now,
        )
    )
    await tx.execute(
        """update gateways.accounts a set registered_at = $3, refused_at = null,
               sealed_endpoint_secret = coalesce(v.secret, a.sealed_endpoint_secret),
               provider_account = coalesce(nullif(v.provider_account, ''), a.provider_account),
               settings = a.settings || v.settings::jsonb
           from unnest($1::uuid[], $2::uuid[], $4::bytea[], $5::text[], $6::text[])
               as v (tenant_id, id, secret, provider_account, settings)
           where a.tenant_id = v.tenant_id and a.id = v.id""",
        [account.tenant_id for account, _ in connected],
        [account.id for account, _ in connected],
        now,
        [next(secrets) if each.endpoint_secret else None for _, each in connected],
        [each.provider_account for _, each in connected],
        [json.dumps(dict(each.settings)) for _, each in connected],
    )


async def mark_refused(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[GatewayAccount]:
    """Note that the provider refuses these accounts' keys; return those of which it was not known."""
    rows = await tx.fetch(
        f"""with before as (select tenant_id, id, refused_at from gateways.accounts where {_NAMED} for update)
            update gateways.accounts a set refused_at = $3 from before b
            where a.tenant_id = b.tenant_id and a.id = b.id returning a.*, b.refused_at is null as is_new""",
        *_split(sorted(set(refs))),
        now,
    )
    return [_account_from_row(row) for row in rows if row["is_new"]]


async def clear_refused(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(f"update gateways.accounts set refused_at = null where {_NAMED}", *_split(sorted(set(refs))))


def _account_from_row(row: Row) -> GatewayAccount:
    return GatewayAccount(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        gateway=row["gateway"],
        name=row["name"],
        is_default=row["is_default"],
        is_active=row["is_active"],
        created_at=row["created_at"],
        endpoint_id=row["endpoint_id"],
        provider_account=row["provider_account"],
        is_on_own_clock=row["is_on_own_clock"],
        registered_at=row["registered_at"],
        refused_at=row["refused_at"],
        settings=json.loads(row["settings"]),
        outages=row["outages"],
        down_until=row["down_until"],
        quarantined_at=row["quarantined_at"],
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
