"""The fees that were billed, as healing compares them with what is owed."""

from collections.abc import Sequence

import msgspec

from guilder.domain.invoicing.rules.expected import Billed
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period
from guilder.platform.db.tx import Row, Tx


async def billed_fees(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, list[Billed]]:
    """Return every fee of these subscriptions that was ever billed, in order; those of void invoices too."""
    rows = await tx.fetch(
        """select l.tenant_id, l.subscription_id, l.billed_item, l.period_start, l.period_end, l.amount_minor, l.currency,
                  l.explanation::text as explanation, l.invoice_id, i.number as invoice_number, i.status,
                  i.order_id is not null as is_ordered, b.invoice_id is not null as is_held
           from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           left join invoicing.billed_items b
               on b.tenant_id = l.tenant_id and b.billed_item = l.billed_item and b.invoice_id = l.invoice_id
           where (l.tenant_id, l.subscription_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and l.kind = 'recurring' and l.period_start is not null
           order by l.tenant_id, l.subscription_id, l.period_start, l.id""",
        *split(refs),
    )
    found: dict[Ref, list[Billed]] = {ref: [] for ref in refs}
    for row in rows:
        line = _from_row(row)
        found[line.subscription].append(line)
    return found


def _from_row(row: Row) -> Billed:
    return Billed(
        subscription=Ref(TenantId(row["tenant_id"]), row["subscription_id"]),
        billed_item=row["billed_item"],
        period=Period(row["period_start"], row["period_end"]),
        price=Money(_price(row), row["currency"]),
        invoice_id=row["invoice_id"],
        invoice_number=row["invoice_number"] or "",
        is_standing=row["status"] != "void",
        is_held=row["is_held"],
        is_waiting=row["status"] == "open" and row["is_ordered"],
    )


def _price(row: Row) -> int:
    """Return what a line came to before discounts, in the price's own terms: with tax where it contains it."""
    said = msgspec.json.decode(row["explanation"])
    if said.get("discounts"):
        return int(said["discounts"][0]["before"])
    tax = said.get("tax") or {}
    return int(tax["gross"]) if tax.get("is_inclusive") else int(row["amount_minor"])
