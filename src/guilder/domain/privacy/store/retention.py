"""How long tenants keep what, and when each looks again, as rows."""

from datetime import datetime
from uuid import UUID

from guilder.domain.privacy.model import Forgotten
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Row, Tx


async def rules(tx: Tx) -> dict[Forgotten, Row]:
    rows = await tx.fetch("select * from privacy.retention where tenant_id = $1", tx.tenant_id)
    return {Forgotten(row["kind"]): row for row in rows}


async def set_days(tx: Tx, kind: Forgotten, days: int | None) -> None:
    await tx.execute(
        """insert into privacy.retention (tenant_id, kind, days) values ($1, $2, $3)
           on conflict (tenant_id, kind) do update set days = excluded.days""",
        tx.tenant_id,
        kind.value,
        days,
    )


async def note(tx: Tx, kind: Forgotten, *, forgotten: int, done_to: UUID | None, now: datetime) -> None:
    await tx.execute(
        """insert into privacy.retention as r (tenant_id, kind, ran_at, forgotten, forgotten_last, done_to)
           values ($1, $2, $3, $4, $4, $5)
           on conflict (tenant_id, kind) do update
              set ran_at = excluded.ran_at, forgotten = r.forgotten + excluded.forgotten,
                  forgotten_last = case when r.ran_at = excluded.ran_at then r.forgotten_last else 0 end
                                   + excluded.forgotten,
                  done_to = coalesce(excluded.done_to, r.done_to)""",
        tx.tenant_id,
        kind.value,
        now,
        forgotten,
        done_to,
    )


async def take_turn(tx: Tx, tenant_id: TenantId, *, now: datetime, next_at: datetime) -> bool:
    """Take a tenant's round, and say when the next one is; False where it is not due, or somebody is at it."""
    return bool(
        await tx.execute(
            """insert into privacy.rounds as r (tenant_id, next_at) values ($1, $2)
               on conflict (tenant_id) do update set next_at = excluded.next_at where r.next_at <= $3""",
            tenant_id,
            next_at,
            now,
        )
    )


async def come_again(tx: Tx, tenant_id: TenantId, *, at: datetime) -> None:
    await tx.execute("update privacy.rounds set next_at = $2 where tenant_id = $1", tenant_id, at)
