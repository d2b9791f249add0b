"""Unused time that was withheld, and what of it was given since: read from the lines that say so."""

from collections.abc import Sequence

from guilder.domain.invoicing.rules.withholding import Withheld
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx


async def withheld(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, list[Withheld]]:
    """Return of these invoices what was withheld of their lines and is not given yet, the oldest first."""
    rows = await tx.fetch(
        """select b.tenant_id, b.invoice_id, c.id, c.credits_line_id,
                  (c.explanation ->> 'withheld')::bigint - coalesce(g.minor, 0)::bigint as minor
           from invoicing.lines b
           join invoicing.lines c on c.tenant_id = b.tenant_id and c.credits_line_id = b.id
               and c.kind = 'proration_credit' and c.explanation ->> 'withheld' is not null
           join invoicing.invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id and i.status <> 'void'
           left join lateral (
               select -sum(x.amount_minor) as minor from invoicing.lines x
               where x.tenant_id = c.tenant_id and x.credits_line_id = c.credits_line_id
                 and x.explanation ->> 'withheld_of' = c.id::text) g on true
           where (b.tenant_id, b.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by b.tenant_id, b.invoice_id, c.id""",
        *split(invoices),
    )
    found: dict[Ref, list[Withheld]] = {}
    for row in rows:
        if row["minor"] > 0:
            each = Withheld(row["id"], row["credits_line_id"], row["minor"])
            found.setdefault(Ref(TenantId(row["tenant_id"]), row["invoice_id"]), []).append(each)
    return found
