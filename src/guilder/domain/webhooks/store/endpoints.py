"""Endpoints, and the secrets that are sealed under their tenant's key."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.webhooks.model import Endpoint, Reason, Wish
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_FIELD = "webhooks.endpoints.sealed_secret"
# A signature is some fifty bytes of a head that a receiver takes eight thousand of.
OLDER_MAX = 8
# All but the secrets.
_COLUMNS = """tenant_id, id, url, events, description, is_thin, allows_loopback, created_at, configured_at, previous_until,
              last_success_at, last_failure_at, failing_since, failures, disabled_at, disabled_reason, deleted_at"""
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, endpoint: Endpoint, *, secret: str, now: datetime) -> None:
    [sealed] = await tx.vault.seal_many(tx, [_sealing(endpoint.tenant_id, secret)], now=now)
    wish = endpoint.wish
    await tx.execute(
        """insert into webhooks.endpoints (tenant_id, id, url, events, description, is_thin, allows_loopback,
                                           sealed_secret, created_at, configured_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)""",
        endpoint.tenant_id,
        endpoint.id,
        wish.url,
        list(wish.events),
        wish.description,
        wish.is_thin,
        wish.allows_loopback,
        sealed,
        endpoint.created_at,
    )


async def lock_tenant(tx: Tx, tenant_id: TenantId) -> None:
    """Let whoever else adds an endpoint to this tenant wait: the limit is counted."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('webhooks.endpoints:' || $1::uuid::text, 0))", tenant_id
    )


async def count(tx: Tx, tenant_id: TenantId) -> int:
    sql = "select count(*) from webhooks.endpoints where tenant_id = $1 and deleted_at is null"
    return int(await tx.fetchval(sql, tenant_id))


async def listing(tx: Tx, tenant_id: TenantId) -> list[Endpoint]:
    rows = await tx.fetch(
        f"select {_COLUMNS} from webhooks.endpoints where tenant_id = $1 and deleted_at is null order by id desc",
        tenant_id,
    )
    return [_endpoint(row) for row in rows]


async def in_use(tx: Tx, tenants: Sequence[TenantId]) -> list[Endpoint]:
    """Return the endpoints of these tenants that are sent events."""
    rows = await tx.fetch(
        f"""select {_COLUMNS} from webhooks.endpoints
             where tenant_id = any ($1) and deleted_at is null and disabled_at is null order by tenant_id, id""",
        tenants,
    )
    return [_endpoint(row) for row in rows]


async def get(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Endpoint]:
    rows = await tx.fetch(f"select {_COLUMNS} from webhooks.endpoints where {_NAMED}", *_split(refs))
    return {Ref(row["tenant_id"], row["id"]): _endpoint(row) for row in rows}


async def lock(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Endpoint]:
    """Lock endpoints, in order, so that what follows on an endpoint follows one after another."""
    rows = await tx.fetch(
        f"select {_COLUMNS} from webhooks.endpoints where {_NAMED} order by tenant_id, id for no key update",
        *_split(refs),
    )
    return {Ref(row["tenant_id"], row["id"]): _endpoint(row) for row in rows}


async def change(tx: Tx, endpoint: Endpoint) -> None:
    wish = endpoint.wish
    await tx.execute(
        """update webhooks.endpoints
              set url = $3, events = $4, description = $5, is_thin = $6, allows_loopback = $7, configured_at = $8
            where (tenant_id, id) = ($1, $2)""",
        *endpoint.ref,
        wish.url,
        list(wish.events),
        wish.description,
        wish.is_thin,
        wish.allows_loopback,
        endpoint.configured_at,
    )


async def rotate(tx: Tx, ref: Ref, *, secret: str, previous_until: datetime, now: datetime) -> None:
    [sealed] = await tx.vault.seal_many(tx, [_sealing(ref.tenant_id, secret)], now=now)
    await tx.execute(
        """update webhooks.endpoints e
              set sealed_previous = sealed_secret, sealed_secret = $3, previous_until = $4,
                  (sealed_older, older_until) = (
                      select coalesce(array_agg(o.sealed order by o.until desc), '{}'),
                             coalesce(array_agg(o.until order by o.until desc), '{}')
                        from (select * from unnest(e.sealed_older || e.sealed_previous, e.older_until || e.previous_until)
                                as u (sealed, until) where until > $5 order by until desc limit $6) o)
            where (tenant_id, id) = ($1, $2)""",
        *ref,
        sealed,
        previous_until,
        now,
        OLDER_MAX,
    )


async def note_health(tx: Tx, endpoints: Sequence[Endpoint]) -> None:
    """Write how endpoints are: their last success and failure, and whether they are disabled."""
    refs = [each.ref for each in endpoints]
    await tx.execute(
        """update webhooks.endpoints e
              set last_success_at = n.success_at, last_failure_at = n.failure_at, failing_since = n.failing_since,
                  failures = n.failures, disabled_at = n.disabled_at, disabled_reason = n.disabled_reason,
                  configured_at = n.configured_at
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::int[],
                         $7::timestamptz[], $8::text[], $9::timestamptz[])
               as n (tenant_id, id, success_at, failure_at, failing_since, failures, disabled_at, disabled_reason,
                     configured_at)
            where (e.tenant_id, e.id) = (n.tenant_id, n.id)""",
        *_split(refs),
        [each.last_success_at for each in endpoints],
        [each.last_failure_at for each in endpoints],
        [each.failing_since for each in endpoints],
        [each.failures for each in endpoints],
        [each.disabled_at for each in endpoints],
        [each.disabled_reason.value if each.disabled_reason else None for each in endpoints],
        [each.configured_at for each in endpoints],
    )


async def delete(tx: Tx, ref: Ref, *, now: datetime) -> None:
    """Take an endpoint out of use for good: its secrets are gone, what was sent there can still be looked at."""
    await tx.execute(
        """update webhooks.endpoints
              set deleted_at = $3, sealed_secret = null, sealed_previous = null, previous_until = null,
                  sealed_older = '{}', older_until = '{}'
            where (tenant_id, id) = ($1, $2)""",
        *ref,
        now,
    )


async def secrets(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> dict[Ref, tuple[str, ...]]:
    """Open the secrets that endpoints sign with now, the newest first."""
    rows = await tx.fetch(
        f"""select tenant_id, id, sealed
              from webhooks.endpoints
             cross join lateral unnest(array[sealed_secret, sealed_previous] || sealed_older,
                                       array['infinity', previous_until] || older_until)
                   with ordinality as s (sealed, until, nth)
             where {_NAMED} and sealed_secret is not null and until > $3 order by tenant_id, id, nth""",
        *_split(refs),
        now,
    )
    pairs = [(Ref(row["tenant_id"], row["id"]), row["sealed"]) for row in rows]
    opened = await tx.vault.open_many(tx, [Sealed(ref.tenant_id, ref.tenant_id, _FIELD, text) for ref, text in pairs])
    found: dict[Ref, tuple[str, ...]] = {}
    for (ref, _), secret in zip(pairs, opened, strict=True):
        if secret is not None:
            found[ref] = (*found.get(ref, ()), secret)
    return found


def _sealing(tenant_id: TenantId, secret: str) -> Sealing:
    return Sealing(tenant_id, tenant_id, _FIELD, secret)


def _endpoint(row: Row) -> Endpoint:
    return Endpoint(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        wish=Wish(
            url=row["url"],
            events=tuple(row["events"]),
            description=row["description"],
            is_thin=row["is_thin"],
            allows_loopback=row["allows_loopback"],
        ),
        created_at=row["created_at"],
        configured_at=row["configured_at"],
        previous_until=row["previous_until"],
        last_success_at=row["last_success_at"],
        last_failure_at=row["last_failure_at"],
        failing_since=row["failing_since"],
        failures=row["failures"],
        disabled_at=row["disabled_at"],
        disabled_reason=Reason(row["disabled_reason"]) if row["disabled_reason"] else None,
        deleted_at=row["deleted_at"],
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
