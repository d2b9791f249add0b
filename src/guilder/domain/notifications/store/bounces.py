"""Addresses that take nothing, as rows."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.notifications.model import Bounce, BounceKind, Channel
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row, Tx


async def bounces(tx: Tx, customers: Sequence[Ref]) -> dict[tuple[Ref, Channel], Bounce]:
    """Return what stands against these customers' addresses, by channel."""
    rows = await tx.fetch(
        """select * from notifications.bounces where cleared_at is null
              and (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [ref.tenant_id for ref in customers],
        [ref.id for ref in customers],
    )
    found = [_bounce(row) for row in rows]
    return {(each.ref, each.channel): each for each in found}


async def save_bounce(tx: Tx, bounce: Bounce) -> bool:
    """Note it; say whether that is news: the same address is noted once."""
    return bool(
        await tx.execute(
            """insert into notifications.bounces as b (tenant_id, customer_id, channel, kind, address_digest, reason,
                                                       bounced_at, cleared_at)
               values ($1, $2, $3, $4, $5, $6, $7, null)
               on conflict (tenant_id, customer_id, channel) do update
                  set kind = excluded.kind, address_digest = excluded.address_digest, reason = excluded.reason,
                      bounced_at = excluded.bounced_at, cleared_at = null
                where b.cleared_at is not null or b.address_digest <> excluded.address_digest""",
            bounce.tenant_id,
            bounce.customer_id,
            bounce.channel.value,
            bounce.kind.value,
            bounce.address_digest,
            bounce.reason,
            bounce.bounced_at,
        )
    )


async def clear_bounce(tx: Tx, customer: Ref, channel: Channel, *, now: datetime) -> bool:
    return bool(
        await tx.execute(
            """update notifications.bounces set cleared_at = $4
                where tenant_id = $1 and customer_id = $2 and channel = $3 and cleared_at is null""",
            *customer,
            channel.value,
            now,
        )
    )


async def bounces_behind(tx: Tx, after: UUID | None, limit: int) -> list[Bounce]:
    """Return what stands against addresses of the customers behind `after`, customer by customer."""
    rows = await tx.fetch(
        """select * from notifications.bounces b where cleared_at is null and customer_id in (
               select distinct customer_id from notifications.bounces
                where cleared_at is null and ($1::uuid is null or customer_id > $1) order by customer_id limit $2)
            order by customer_id, channel""",
        after,
        limit,
    )
    return [_bounce(row) for row in rows]


async def save_digest(tx: Tx, bounce: Bounce, digest: bytes) -> None:
    await tx.execute(
        """update notifications.bounces set address_digest = $4
            where tenant_id = $1 and customer_id = $2 and channel = $3 and address_digest <> $4""",
        *bounce.ref,
        bounce.channel.value,
        digest,
    )


def _bounce(row: Row) -> Bounce:
    return Bounce(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        channel=Channel(row["channel"]),
        kind=BounceKind(row["kind"]),
        address_digest=row["address_digest"],
        reason=row["reason"],
        bounced_at=row["bounced_at"],
    )
