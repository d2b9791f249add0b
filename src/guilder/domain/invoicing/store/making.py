"""Making invoices: what they bill is claimed, their lines are written, then they, numbered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.invoicing.model import Invoice, InvoiceKind
from guilder.domain.invoicing.store.rows import INVOICE, LINE, Head, head_row, line_row, sealing, split
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Tx

_JSON = {"taxes", "metadata", "explanation"}


def _insert(table: str, columns: Columns) -> str:
    values = ", ".join(f"v.{column}::jsonb" if column in _JSON else f"v.{column}" for column in columns.kinds)
    return f"insert into invoicing.{table} ({columns.names}) select {values} from {columns.table}"


_SERIES = {InvoiceKind.INVOICE: "series", InvoiceKind.CREDIT_NOTE: "credit_note_series"}
_NUMBERED = {"sequence": "bigint", "number": "text", "content_sha256": "text"}

_INSERT_INVOICES = _insert("invoices", Columns({**INVOICE.kinds, **_NUMBERED}))
_INSERT_LINES = _insert("lines", LINE)
_CLAIMED = Columns({"tenant_id": "uuid", "billed_item": "text", "invoice_id": "uuid"})


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """Invoices of which all is written but their own rows, which wait for their numbers: their columns, in one order."""

    columns: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Numbered:
    """What an invoice gets last: its place in its series, how that is written, and the seal on its content."""

    sequence: int
    number: str
    content_sha256: str


async def claim_items(tx: Tx, items: Sequence[tuple[TenantId, str, UUID]]) -> set[tuple[TenantId, str]]:
    """Take things as billed by these invoices; return those that were free, and now are taken.

    In order, so that two batches that bill the same wait for each other and do not clash.
    """
    rows = await tx.fetch(
        f"""insert into invoicing.billed_items ({_CLAIMED.names}) select {_CLAIMED.names} from {_CLAIMED.table}
           order by tenant_id, billed_item
           on conflict (tenant_id, billed_item) do nothing returning tenant_id, billed_item""",
        *_CLAIMED.sent([item[0] for item in items], [item[1] for item in items], [item[2] for item in items]),
    )
    return {(TenantId(row["tenant_id"]), row["billed_item"]) for row in rows}


async def free_items(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(
        """delete from invoicing.billed_items
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *split(refs),
    )


async def are_billed(tx: Tx, items: Sequence[tuple[TenantId, str]]) -> set[tuple[TenantId, str]]:
    rows = await tx.fetch(
        """select tenant_id, billed_item from invoicing.billed_items
           where (tenant_id, billed_item) in (select * from unnest($1::uuid[], $2::text[]))""",
        [item[0] for item in items],
        [item[1] for item in items],
    )
    return {(TenantId(row["tenant_id"]), row["billed_item"]) for row in rows}


async def insert_lines(tx: Tx, made: Sequence[tuple[Invoice, Head]], *, now: datetime) -> Unnumbered:
    """Write the lines of invoices that are final but for their numbers, and get their own rows ready."""
    assert tx.vault is not None
    assert all(invoice.finalized_at is not None for invoice, _ in made)
    lines = [
        line_row(invoice, line, recognize_at)
        for invoice, head in made
        for line, recognize_at in zip(invoice.lines, head.recognize_at, strict=True)
    ]
    await tx.execute(_INSERT_LINES, *LINE.of(lines))
    sealed = await tx.vault.seal_many(tx, [sealing(invoice) for invoice, _ in made], now=now)
    heads = [head_row(invoice, head, parties) for (invoice, head), parties in zip(made, sealed, strict=True)]
    return Unnumbered(INVOICE.of(heads))


async def insert(tx: Tx, waiting: Unnumbered, numbered: Sequence[Numbered]) -> None:
    """Write invoices, in the order in which they waited."""
    await tx.execute(
        _INSERT_INVOICES,
        *waiting.columns,
        [each.sequence for each in numbered],
        [each.number for each in numbered],
        [each.content_sha256 for each in numbered],
    )


async def take_numbers(
    tx: Tx, counts: Mapping[tuple[TenantId, UUID], int], *, kind: InvoiceKind
) -> dict[tuple[TenantId, UUID], int]:
    """Take so many numbers of each issuer's series; return the first of each. It locks the series till the commit."""
    if not counts:
        return {}
    keys = sorted(counts)
    rows = await tx.fetch(
        f"""insert into invoicing.{_SERIES[kind]} as s (tenant_id, issuer_id, next)
           select tenant_id, issuer_id, taken + 1 from unnest($1::uuid[], $2::uuid[], $3::bigint[])
               as v (tenant_id, issuer_id, taken) order by tenant_id, issuer_id
           on conflict (tenant_id, issuer_id) do update set next = s.next + excluded.next - 1
           returning tenant_id, issuer_id, next""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [counts[key] for key in keys],
    )
    found = {(TenantId(row["tenant_id"]), row["issuer_id"]): row["next"] for row in rows}
    return {key: found[key] - counts[key] for key in keys}
