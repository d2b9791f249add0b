"""Making invoices: what they bill is claimed, their lines are written, then they, numbered."""

from collections.abc import Awaitable, Mapping, Sequence
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
# PostgreSQL writes some while the next are put in order here.
LINES_AT_ONCE = 500
_ASKED = Columns({"tenant_id": "uuid", "billed_item": "text"})
_CLAIMED = Columns({**_ASKED.kinds, "invoice_id": "uuid"})


Item = tuple[TenantId, str, UUID]  # what is billed, and by which invoice


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


async def claim_items(tx: Tx, items: Sequence[Item]) -> Awaitable[int]:
    """Take things as billed by these invoices; return what says how many were free, and now are taken.

    In order, so that two batches that bill the same wait for each other and do not clash.
    """
    return await tx.send(
        f"""insert into invoicing.billed_items ({_CLAIMED.names}) select {_CLAIMED.names} from {_CLAIMED.table}
           order by tenant_id, billed_item on conflict (tenant_id, billed_item) do nothing""",
        *_claimed(items),
    )


async def held_by_others(tx: Tx, items: Sequence[Item]) -> list[str]:
    """Return which of these things another invoice bills than the one that they are for."""
    rows = await tx.fetch(
        f"""select b.billed_item from {_CLAIMED.table} join invoicing.billed_items b using (tenant_id, billed_item)
           where b.invoice_id <> v.invoice_id order by b.tenant_id, b.billed_item""",
        *_claimed(items),
    )
    return [row["billed_item"] for row in rows]


async def free_items(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(
        """delete from invoicing.billed_items
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *split(refs),
    )


async def are_billed(tx: Tx, items: Sequence[tuple[TenantId, str]]) -> set[tuple[TenantId, str]]:
    rows = await tx.fetch(
        f"""select tenant_id, billed_item from invoicing.billed_items
           where (tenant_id, billed_item) in (select {_ASKED.names} from {_ASKED.table})""",
        *_ASKED.sent([item[0] for item in items], [item[1] for item in items]),
    )
    return {(TenantId(row["tenant_id"]), row["billed_item"]) for row in rows}


async def insert_lines(tx: Tx, made: Sequence[tuple[Invoice, Head]], *, now: datetime) -> Unnumbered:
    """Write the lines of invoices that are final but for their numbers, and get their own rows ready."""
    assert tx.vault is not None
    assert all(invoice.finalized_at is not None for invoice, _ in made)
    lines = [
        (invoice, line, recognize_at)
        for invoice, head in made
        for line, recognize_at in zip(invoice.lines, head.recognize_at, strict=True)
    ]
    for n in range(0, len(lines), LINES_AT_ONCE):
        await tx.send(_INSERT_LINES, *LINE.of([line_row(*each) for each in lines[n : n + LINES_AT_ONCE]]))
    sealed = await tx.vault.seal_many(tx, [sealing(invoice) for invoice, _ in made], now=now)
    heads = [head_row(invoice, head, parties) for (invoice, head), parties in zip(made, sealed, strict=True)]
    return Unnumbered(INVOICE.of(heads))


async def insert(tx: Tx, waiting: Unnumbered, numbered: Sequence[Numbered]) -> None:
    """Write invoices, in the order in which they waited."""
    await tx.send(
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


def _claimed(items: Sequence[Item]) -> list[list[Any]]:
    return _CLAIMED.sent([item[0] for item in items], [item[1] for item in items], [item[2] for item in items])
