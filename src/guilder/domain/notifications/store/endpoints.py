"""Where providers report to, as rows; the secrets are sealed under the tenant's key."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.notifications.model import Endpoint, EndpointKind
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_FIELD = "notifications.endpoints.sealed_secret"


async def find_endpoint(tx: Tx, kind: EndpointKind, endpoint_id: UUID) -> Ref | None:
    """Return whose an endpoint is; the transaction need not see its tenant."""
    row = await tx.fetchrow("select * from notifications.find_endpoint($1, $2)", kind.value, endpoint_id)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def endpoint(tx: Tx, endpoint_id: UUID) -> Endpoint | None:
    rows = await tx.fetch(
        "select * from notifications.endpoints where tenant_id = $1 and id = $2", tx.tenant_id, endpoint_id
    )
    return next(iter(await _opened(tx, rows)), None)


async def endpoints(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[Endpoint]:
    rows = await tx.fetch(
        "select * from notifications.endpoints where tenant_id = any ($1::uuid[]) order by tenant_id, kind",
        list(tenant_ids),
    )
    return await _opened(tx, rows)


async def save_endpoint(tx: Tx, endpoint: Endpoint, *, now: datetime) -> None:
    """Keep it in the place of the one of that kind that was there."""
    [sealed] = await tx.vault.seal_many(
        tx, [Sealing(endpoint.tenant_id, endpoint.tenant_id, _FIELD, endpoint.secret)], now=now
    )
    await tx.execute(
        """insert into notifications.endpoints (tenant_id, id, kind, sealed_secret, created_at)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, kind) do update
              set id = excluded.id, sealed_secret = excluded.sealed_secret, created_at = excluded.created_at""",
        endpoint.tenant_id,
        endpoint.id,
        endpoint.kind.value,
        sealed,
        endpoint.created_at,
    )


async def _opened(tx: Tx, rows: Sequence[Row]) -> list[Endpoint]:
    sealed = [
        Sealed(TenantId(row["tenant_id"]), TenantId(row["tenant_id"]), _FIELD, row["sealed_secret"]) for row in rows
    ]
    secrets = await tx.vault.open_many(tx, sealed) if sealed else []
    return [
        Endpoint(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            kind=EndpointKind(row["kind"]),
            secret=secret,
            created_at=row["created_at"],
        )
        for row, secret in zip(rows, secrets, strict=True)
        if secret is not None
    ]
