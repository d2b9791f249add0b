"""Numbers that are given up after a restore."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.invoicing.model import GivenUp, InvoiceKind
from guilder.kernel import ids
from guilder.platform.db.tx import Tx


async def taken_most(tx: Tx, *, kind: InvoiceKind, within: timedelta, since: datetime) -> dict[UUID, int]:
    """Return, by issuer, how many numbers were taken in the busiest stretch of that length since an instant."""
    rows = await tx.fetch(
        """select issuer_id, max(busy)::bigint as busiest from (
               select issuer_id, sum(n) over (partition by issuer_id order by hour
                                              range between $3::interval preceding and current row) as busy
               from (select issuer_id, date_trunc('hour', finalized_at) as hour, count(*) as n
                     from invoicing.invoices
                     where tenant_id = $1 and kind = $2 and sequence is not null and finalized_at >= $4
                     group by 1, 2) hours) stretches
           group by issuer_id""",
        tx.tenant_id,
        kind.value,
        within,
        since,
    )
    return {row["issuer_id"]: row["busiest"] for row in rows}


async def save_given_up(tx: Tx, given_up: Sequence[GivenUp], *, now: datetime) -> None:
    await tx.execute(
        """insert into invoicing.given_up_numbers
               (tenant_id, id, issuer_id, kind, first, last, restored_to, given_up_at)
           select $1, v.id, v.issuer_id, v.kind, v.first, v.last, v.restored_to, $2
           from unnest($3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[])
               as v (id, issuer_id, kind, first, last, restored_to)""",
        tx.tenant_id,
        now,
        [ids.new(now) for _ in given_up],
        [each.issuer_id for each in given_up],
        [each.kind.value for each in given_up],
        [each.first for each in given_up],
        [each.last for each in given_up],
        [each.restored_to for each in given_up],
    )
