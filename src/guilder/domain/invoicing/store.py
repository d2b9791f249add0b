"""The SQL of invoicing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.invoicing.model import Invoice, Line, LineKind, Party, Status, TaxTotal
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Period
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_PARTIES = "invoicing.invoices.parties"

_INVOICE: dict[str, str] = {
    "tenant_id": "uuid",
    "id": "uuid",
    "customer_id": "uuid",
    "subscription_id": "uuid",
    "order_id": "uuid",
    "issuer_id": "uuid",
    "status": "text",
    "currency": "text",
    "subtotal_minor": "bigint",
    "tax_minor": "bigint",
    "total_minor": "bigint",
    "taxes": "text",
    "parties": "bytea",
    "language": "text",
    "time_zone": "text",
    "issued_at": "timestamptz",
    "issued_on": "date",
    "due_at": "timestamptz",
    "payment_method_id": "uuid",
    "metadata": "text",
    "created_at": "timestamptz",
}
_LINE: dict[str, str] = {
    "tenant_id": "uuid",
    "id": "uuid",
    "invoice_id": "uuid",
    "number": "int",
    "kind": "text",
    "description": "text",
    "quantity": "bigint",
    "unit_amount_minor": "bigint",
    "amount_minor": "bigint",
    "tax_percent": "numeric",
    "tax_minor": "bigint",
    "currency": "text",
    "period_start": "timestamptz",
    "period_end": "timestamptz",
    "subscription_id": "uuid",
    "product_id": "uuid",
    "billed_item": "text",
    "explanation": "text",
    "recognize_at": "timestamptz",
}
_JSON = {"taxes", "metadata", "explanation"}


def _insert(table: str, columns: dict[str, str]) -> str:
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), start=1))
    names = ", ".join(columns)
    values = ", ".join(f"v.{column}::jsonb" if column in _JSON else f"v.{column}" for column in columns)
    return f"insert into invoicing.{table} ({names}) select {values} from unnest({arrays}) as v ({names})"


_INSERT_INVOICES = _insert("invoices", _INVOICE)
_INSERT_LINES = _insert("lines", _LINE)
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_SELECT = "select i.*, i.taxes::text as taxes_json, i.metadata::text as metadata_json from invoicing.invoices i"


@dataclass(frozen=True, slots=True)
class Parties:
    """The two parties as they are sealed with the invoice."""

    seller: Party
    buyer: Party


@dataclass(frozen=True, slots=True)
class Head:
    """What of a draft is in no noun: who issues it, where its reader lives, how it is to be paid."""

    issuer_id: UUID
    time_zone: str
    payment_method_id: UUID | None


@dataclass(frozen=True, slots=True)
class FinalTouch:
    """The last step: an invoice's number, and the seal on its content."""

    ref: Ref
    sequence: int
    number: str
    status: Status
    content_sha256: str
    paid_at: datetime | None


async def claim_items(tx: Tx, items: Sequence[tuple[TenantId, str, UUID]]) -> set[tuple[TenantId, str]]:
    """Take things as billed by these invoices; return those that were free, and now are taken."""
    rows = await tx.fetch(
        """insert into invoicing.billed_items (tenant_id, billed_item, invoice_id)
           select * from unnest($1::uuid[], $2::text[], $3::uuid[])
           on conflict (tenant_id, billed_item) do nothing returning tenant_id, billed_item""",
        [item[0] for item in items],
        [item[1] for item in items],
        [item[2] for item in items],
    )
    return {(TenantId(row["tenant_id"]), row["billed_item"]) for row in rows}


async def free_items(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(
        """delete from invoicing.billed_items
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *_split(refs),
    )


async def are_billed(tx: Tx, items: Sequence[tuple[TenantId, str]]) -> set[tuple[TenantId, str]]:
    rows = await tx.fetch(
        """select tenant_id, billed_item from invoicing.billed_items
           where (tenant_id, billed_item) in (select * from unnest($1::uuid[], $2::text[]))""",
        [item[0] for item in items],
        [item[1] for item in items],
    )
    return {(TenantId(row["tenant_id"]), row["billed_item"]) for row in rows}


async def insert(
    tx: Tx, drafts: Sequence[tuple[Invoice, Head, Sequence[tuple[str, datetime | None]]]], *, now: datetime
) -> None:
    """Write drafts and their lines; with each line come the thing that it bills and when its service is given."""
    assert tx.vault is not None
    sealed = await tx.vault.seal_many(tx, [_sealing(invoice) for invoice, _, _ in drafts], now=now)
    heads = [_head_row(invoice, head, parties) for (invoice, head, _), parties in zip(drafts, sealed, strict=True)]
    await tx.execute(_INSERT_INVOICES, *_columns(heads, _INVOICE))
    lines = [
        _line_row(invoice, line, billed_item, recognize_at)
        for invoice, _, about in drafts
        for line, (billed_item, recognize_at) in zip(invoice.lines, about, strict=True)
    ]
    await tx.execute(_INSERT_LINES, *_columns(lines, _LINE))


async def take_numbers(tx: Tx, counts: Mapping[tuple[TenantId, UUID], int]) -> dict[tuple[TenantId, UUID], int]:
    """Take so many numbers of each issuer's series; return the first of each. It locks the series till the commit."""
    keys = sorted(counts)
    rows = await tx.fetch(
        """insert into invoicing.series as s (tenant_id, issuer_id, next)
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


async def finalize(tx: Tx, sealed: Sequence[FinalTouch], *, now: datetime) -> None:
    await tx.execute(
        """update invoicing.invoices i
           set sequence = v.sequence, number = v.number, status = v.status, content_sha256 = v.sha256,
               paid_at = v.paid_at, finalized_at = $8
           from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
               as v (tenant_id, id, sequence, number, status, sha256, paid_at)
           where i.tenant_id = v.tenant_id and i.id = v.id and i.status = 'draft'""",
        *_split([each.ref for each in sealed]),
        [each.sequence for each in sealed],
        [each.number for each in sealed],
        [each.status.value for each in sealed],
        [each.content_sha256 for each in sealed],
        [each.paid_at for each in sealed],
        now,
    )


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Invoice]:
    rows = await tx.fetch(f"{_SELECT} where {_NAMED} order by tenant_id, id for update", *_split(refs))
    return await _whole(tx, rows)


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Invoice]:
    return await _whole(tx, await tx.fetch(f"{_SELECT} where {_NAMED}", *_split(refs)))


async def by_number(tx: Tx, number: str) -> Invoice | None:
    found = await _whole(tx, await tx.fetch(f"{_SELECT} where number = $1 limit 1", number))
    return found[0] if found else None


async def listing(
    tx: Tx, query: PageQuery, *, customer_id: UUID | None, subscription_id: UUID | None, status: str | None
) -> list[Invoice]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::uuid is null or customer_id = $1) and ($2::uuid is null or subscription_id = $2)
            and ($3::text is null or status = $3) and ($4::uuid is null or id < $4) order by id desc limit $5""",
        customer_id,
        subscription_id,
        status,
        query.after,
        query.limit + 1,
    )
    return await _whole(tx, rows)


async def save_standing(tx: Tx, invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Write how invoices stand: status, what was paid, and when."""
    await tx.execute(
        """update invoicing.invoices i
           set status = v.status, paid_minor = v.paid, paid_at = v.paid_at, voided_at = v.voided_at,
               given_up_at = case when v.status = 'uncollectible' then coalesce(i.given_up_at, $7) end
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
               as v (tenant_id, id, status, paid, paid_at, voided_at)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *_split([invoice.ref for invoice in invoices]),
        [invoice.status.value for invoice in invoices],
        [invoice.paid.minor for invoice in invoices],
        [invoice.paid_at for invoice in invoices],
        [invoice.voided_at for invoice in invoices],
        now,
    )


async def save_refunded(tx: Tx, refunded: Mapping[Ref, int]) -> None:
    refs = sorted(refunded)
    await tx.execute(
        """update invoicing.invoices i set refunded_minor = v.refunded
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as v (tenant_id, id, refunded)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *_split(refs),
        [refunded[ref] for ref in refs],
    )


async def billed_in_period(tx: Tx, *, subscription_id: UUID, starts_at: datetime) -> tuple[int, int] | None:
    """Return what the fee of the period that starts so was billed, and what of it has been credited (both >= 0)."""
    row = await tx.fetchrow(
        """select coalesce(sum(amount_minor) filter (where kind in ('recurring', 'proration_charge')), 0)::bigint billed,
                  coalesce(-sum(amount_minor) filter (where kind = 'proration_credit'), 0)::bigint credited
           from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           where l.subscription_id = $1 and i.status <> 'void' and l.billed_item like $2""",
        subscription_id,
        f"sub:{subscription_id}:%:{starts_at.isoformat()}%",
    )
    return (row["billed"], row["credited"]) if row and row["billed"] else None


async def claim_recognition(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Row]:
    """Lock lines whose service has been given and is not booked yet; of invoices that still stand."""
    return await tx.fetch(
        """select l.tenant_id, l.id, l.invoice_id, i.customer_id, l.amount_minor, l.currency, l.recognize_at, i.status
           from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           where (l.tenant_id, l.id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and l.recognized_at is null and l.recognize_at <= $3
           order by l.tenant_id, l.id for update of l skip locked""",
        *_split(refs),
        now,
    )


async def mark_recognized(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    await tx.execute(f"update invoicing.lines set recognized_at = $3 where {_NAMED}", *_split(refs), now)


async def unrecognized(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, int]:
    """Return by invoice what is still deferred: advance fees whose period is not over."""
    rows = await tx.fetch(
        """select tenant_id, invoice_id, sum(amount_minor)::bigint as minor from invoicing.lines
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and recognize_at is not null and recognized_at is null
           group by tenant_id, invoice_id""",
        *_split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["invoice_id"]): row["minor"] for row in rows}


async def stop_recognition(tx: Tx, refs: Sequence[Ref]) -> None:
    """What was voided will never be given."""
    await tx.execute(
        """update invoicing.lines set recognize_at = null
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and recognized_at is null""",
        *_split(refs),
    )


async def save_document(tx: Tx, documents: Sequence[tuple[Ref, str, Status]]) -> None:
    await tx.execute(
        """update invoicing.invoices i set document_path = v.path, document_status = v.status
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as v (tenant_id, id, path, status)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *_split([ref for ref, _, _ in documents]),
        [path for _, path, _ in documents],
        [status.value for _, _, status in documents],
    )


async def document_path(tx: Tx, ref: Ref) -> tuple[str, str]:
    """Return where the invoice's PDF lies ("" if nowhere yet), and the status that it shows."""
    row = await tx.fetchrow(
        "select document_path, document_status from invoicing.invoices where tenant_id = $1 and id = $2", *ref
    )
    return (row["document_path"], row["document_status"]) if row else ("", "")


async def _whole(tx: Tx, rows: Sequence[Row]) -> list[Invoice]:
    """Read the lines and open the parties of these invoices, one statement each."""
    if not rows:
        return []
    assert tx.vault is not None
    refs = [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]
    lines: dict[Ref, list[Line]] = {ref: [] for ref in refs}
    for row in await tx.fetch(
        """select *, explanation::text as explanation_json from invoicing.lines
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by tenant_id, invoice_id, number""",
        *_split(refs),
    ):
        lines[Ref(TenantId(row["tenant_id"]), row["invoice_id"])].append(_line(row))
    sealed = [
        Sealed(ref.tenant_id, ref.tenant_id, _PARTIES, row["parties"]) for ref, row in zip(refs, rows, strict=True)
    ]
    opened = await tx.vault.open_many(tx, sealed)
    return [_invoice(row, lines[ref], _parties(text)) for ref, row, text in zip(refs, rows, opened, strict=True)]


def _parties(text: str | None) -> Parties | None:
    return msgspec.json.decode(text, type=Parties) if text else None


def _sealing(invoice: Invoice) -> Sealing:
    assert invoice.seller is not None
    assert invoice.buyer is not None
    text = _json(Parties(invoice.seller, invoice.buyer))
    # Under the tenant's own key: an invoice has to be kept and read for longer than its customer may be remembered.
    return Sealing(invoice.tenant_id, invoice.tenant_id, _PARTIES, text)


def _head_row(invoice: Invoice, head: Head, parties: bytes) -> dict[str, Any]:
    return {
        "tenant_id": invoice.tenant_id,
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "subscription_id": invoice.subscription_id,
        "order_id": invoice.order_id,
        "issuer_id": head.issuer_id,
        "status": Status.DRAFT.value,
        "currency": invoice.currency,
        "subtotal_minor": invoice.subtotal.minor,
        "tax_minor": invoice.tax.minor,
        "total_minor": invoice.total.minor,
        "taxes": _json(invoice.taxes),
        "parties": parties,
        "language": invoice.language,
        "time_zone": head.time_zone,
        "issued_at": invoice.issued_at,
        "issued_on": invoice.issued_on,
        "due_at": invoice.due_at,
        "payment_method_id": head.payment_method_id,
        "metadata": _json(invoice.metadata),
        "created_at": invoice.created_at,
    }


def _line_row(invoice: Invoice, line: Line, billed_item: str, recognize_at: datetime | None) -> dict[str, Any]:
    return {
        "tenant_id": invoice.tenant_id,
        "id": line.id,
        "invoice_id": invoice.id,
        "number": line.number,
        "kind": line.kind.value,
        "description": line.description,
        "quantity": line.quantity,
        "unit_amount_minor": line.unit_amount.minor if line.unit_amount else None,
        "amount_minor": line.amount.minor,
        "tax_percent": line.tax_percent,
        "tax_minor": line.tax.minor,
        "currency": invoice.currency,
        "period_start": line.period.starts_at if line.period else None,
        "period_end": line.period.ends_at if line.period else None,
        "subscription_id": line.subscription_id,
        "product_id": line.product_id,
        "billed_item": billed_item,
        "explanation": _json(line.explanation),
        "recognize_at": recognize_at,
    }


def _line(row: Row) -> Line:
    currency = row["currency"]
    return Line(
        id=row["id"],
        number=row["number"],
        kind=LineKind(row["kind"]),
        description=row["description"],
        quantity=row["quantity"],
        unit_amount=None if row["unit_amount_minor"] is None else Money(row["unit_amount_minor"], currency),
        amount=Money(row["amount_minor"], currency),
        tax_percent=Decimal(row["tax_percent"]).normalize(),
        tax=Money(row["tax_minor"], currency),
        period=Period(row["period_start"], row["period_end"]) if row["period_start"] else None,
        subscription_id=row["subscription_id"],
        product_id=row["product_id"],
        explanation=msgspec.json.decode(row["explanation_json"]),
    )


def _invoice(row: Row, lines: Sequence[Line], parties: Parties | None) -> Invoice:
    currency = row["currency"]
    return Invoice(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        number=row["number"],
        status=Status(row["status"]),
        currency=currency,
        subtotal=Money(row["subtotal_minor"], currency),
        tax=Money(row["tax_minor"], currency),
        total=Money(row["total_minor"], currency),
        paid=Money(row["paid_minor"], currency),
        credited=Money(row["credited_minor"], currency),
        refunded=Money(row["refunded_minor"], currency),
        lines=tuple(lines),
        taxes=msgspec.json.decode(row["taxes_json"], type=tuple[TaxTotal, ...]),
        seller=parties.seller if parties else None,
        buyer=parties.buyer if parties else None,
        language=row["language"],
        time_zone=row["time_zone"],
        issued_at=row["issued_at"],
        issued_on=row["issued_on"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        subscription_id=row["subscription_id"],
        order_id=row["order_id"],
        finalized_at=row["finalized_at"],
        paid_at=row["paid_at"],
        voided_at=row["voided_at"],
        has_document=bool(row["document_path"]),
        metadata=msgspec.json.decode(row["metadata_json"], type=dict[str, str]),
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _columns(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in columns]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
