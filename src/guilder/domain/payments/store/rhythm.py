"""When customers have paid: what dunning learns from."""

from collections.abc import Sequence
from datetime import datetime

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx


async def paid_at(tx: Tx, customers: Sequence[Ref], *, each: int) -> dict[Ref, list[datetime]]:
    rows = await tx.fetch(
        """select c.tenant_id, c.id, p.settled_at
             from unnest($1::uuid[], $2::uuid[]) as c (tenant_id, id)
            cross join lateral (
                select p.settled_at from payments.payments p
                 where p.tenant_id = c.tenant_id and p.customer_id = c.id and p.status = 'succeeded'
                   and p.settled_at is not null
                 order by p.id desc limit $3) p""",
        [ref.tenant_id for ref in customers],
        [ref.id for ref in customers],
        each,
    )
    found: dict[Ref, list[datetime]] = {}
    for row in rows:
        found.setdefault(Ref(TenantId(row["tenant_id"]), row["id"]), []).append(row["settled_at"])
    return found
