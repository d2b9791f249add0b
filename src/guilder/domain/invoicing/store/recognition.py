"""Revenue billed in advance: deferred until the period of its line is over."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing.store.rows import NAMED, split
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx


async def claim_recognition(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Row]:
    """Lock lines whose service has been given and is not booked yet; what was voided has no such line."""
    return await tx.fetch(
        """select l.tenant_id, l.id, l.invoice_id, i.customer_id, l.amount_minor, l.currency, l.recognize_at
           from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           where (l.tenant_id, l.id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and l.recognized_at is null and l.recognize_at <= $3
           order by l.tenant_id, l.id for update of l skip locked""",
        *split(refs),
        now,
    )


async def mark_recognized(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    await tx.execute(f"update invoicing.lines set recognized_at = $3 where {NAMED}", *split(refs), now)


async def unrecognized(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, int]:
    """Lock what is still deferred of these invoices, advance fees whose period is not over; return it by invoice.

    Locked, so that what is being recognised at this moment is counted as recognised.
    """
    rows = await tx.fetch(
        """with held as (
               select tenant_id, invoice_id, amount_minor from invoicing.lines
               where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
                 and recognize_at is not null and recognized_at is null
               order by tenant_id, id for update)
           select tenant_id, invoice_id, sum(amount_minor)::bigint as minor from held group by tenant_id, invoice_id""",
        *split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["invoice_id"]): row["minor"] for row in rows}


async def stop_recognition(tx: Tx, refs: Sequence[Ref]) -> None:
    """What was voided will never be given."""
    await tx.execute(
        """update invoicing.lines set recognize_at = null
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and recognized_at is null""",
        *split(refs),
    )
