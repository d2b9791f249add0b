"""Invoices and their lines as rows, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line, LineKind, Party, Status, TaxTotal
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

PARTIES = "invoicing.invoices.parties"
WORDS = "invoicing.invoices.sealed_words"

INVOICE = Columns(
    {
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
        "kind": "text",
        "discount_minor": "bigint",
        "credit_applied_minor": "bigint",
        "is_sent": "boolean",
        "corrects_invoice_id": "uuid",
        "memo": "text",
        "paid_at": "timestamptz",
        "finalized_at": "timestamptz",
        "retention_until": "date",
    }
)
LINE = Columns(
    {
        "tenant_id": "uuid",
        "id": "uuid",
        "invoice_id": "uuid",
        "number": "int",
        "kind": "text",
        "description": "text",
        "quantity": "numeric",
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
        "discount_minor": "bigint",
        "charge": "text",
        "credits_line_id": "uuid",
        "tax_code": "text",
    }
)

NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
# What notes have taken back of a credit `{credit}` since: so much of what it credits is not credited any more.
TAKEN_BACK = """
    left join lateral (
        select sum(b.amount_minor) as net, sum(b.tax_minor) as tax from invoicing.lines b
        left join invoicing.invoices bi on bi.tenant_id = b.tenant_id and bi.id = b.invoice_id
        where b.tenant_id = {credit}.tenant_id and b.credits_line_id = {credit}.id
          and bi.status is distinct from 'void') taken on true"""

SELECT = "select i.*, i.taxes::text as taxes_json, i.metadata::text as metadata_json from invoicing.invoices i"


@dataclass(frozen=True, slots=True)
class Parties:
    """The two parties as they are sealed with the invoice."""

    seller: Party
    buyer: Party


class Words(msgspec.Struct, frozen=True):
    """What was written on a document, sealed with it once its customer was erased: lines by their numbers, each with
    what explains it, where its words stand again."""

    memo: str
    lines: dict[int, tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Head:
    """What of an invoice is in no noun: who issues it, where its reader lives, how it is to be paid, what is earned when."""

    issuer_id: UUID
    time_zone: str
    payment_method_id: UUID | None
    recognize_at: tuple[datetime | None, ...]  # of each line, in order: when its service has been given


async def whole(tx: Tx, rows: Sequence[Row], *, with_parties: bool = True) -> list[Invoice]:
    """Read the lines and open the parties of these invoices, one statement each; or leave the parties sealed, as None."""
    if not rows:
        return []
    assert tx.vault is not None
    refs = [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]
    lines: dict[Ref, list[Line]] = {ref: [] for ref in refs}
    for row in await tx.fetch(
        """select *, explanation::text as explanation_json from invoicing.lines
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by tenant_id, invoice_id, number""",
        *split(refs),
    ):
        lines[Ref(TenantId(row["tenant_id"]), row["invoice_id"])].append(_line(row))
    opened: Sequence[str | None] = [None] * len(rows)
    if with_parties:
        opened = await tx.vault.open_many(
            tx,
            [
                Sealed(ref.tenant_id, ref.tenant_id, PARTIES, row["parties"])
                for ref, row in zip(refs, rows, strict=True)
            ],
        )
    words = await _words(tx, rows)
    return [
        _said(_invoice(row, lines[ref], _parties(text)), words.get(ref))
        for ref, row, text in zip(refs, rows, opened, strict=True)
    ]


async def _words(tx: Tx, rows: Sequence[Row]) -> dict[Ref, Words]:
    """Open the words of those documents whose customers were erased."""
    sealed = [row for row in rows if row["sealed_words"] is not None]
    if not sealed:
        return {}
    opened = await tx.vault.open_many(
        tx, [Sealed(TenantId(row["tenant_id"]), row["tenant_id"], WORDS, row["sealed_words"]) for row in sealed]
    )
    return {
        Ref(TenantId(row["tenant_id"]), row["id"]): msgspec.json.decode(text, type=Words)
        for row, text in zip(sealed, opened, strict=True)
        if text
    }


def _said(invoice: Invoice, words: Words | None) -> Invoice:
    if words is None:
        return invoice
    return replace(invoice, memo=words.memo, lines=tuple(_said_of(line, words) for line in invoice.lines))


def _said_of(line: Line, words: Words) -> Line:
    description, explanation = words.lines[line.number]
    return replace(line, description=description, explanation=explanation)


def _parties(text: str | None) -> Parties | None:
    return msgspec.json.decode(text, type=Parties) if text else None


def sealing(invoice: Invoice) -> Sealing:
    assert invoice.seller is not None
    assert invoice.buyer is not None
    text = _json(Parties(invoice.seller, invoice.buyer))
    # Under the tenant's own key: an invoice has to be kept and read for longer than its customer may be remembered.
    return Sealing(invoice.tenant_id, invoice.tenant_id, PARTIES, text)


def head_row(invoice: Invoice, head: Head, parties: bytes) -> dict[str, Any]:
    return {
        "tenant_id": invoice.tenant_id,
        "id": invoice.id,
        "customer_id": invoice.customer_id,
        "subscription_id": invoice.subscription_id,
        "order_id": invoice.order_id,
        "issuer_id": head.issuer_id,
        "status": invoice.status.value,
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
        "kind": invoice.kind.value,
        "discount_minor": invoice.discount.minor if invoice.discount else 0,
        "credit_applied_minor": invoice.credit_applied.minor if invoice.credit_applied else 0,
        "is_sent": invoice.is_sent,
        "corrects_invoice_id": invoice.corrects_invoice_id,
        "memo": invoice.memo,
        "paid_at": invoice.paid_at,
        "finalized_at": invoice.finalized_at,
        "retention_until": invoice.retention_until,
    }


def line_row(invoice: Invoice, line: Line, recognize_at: datetime | None) -> dict[str, Any]:
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
        "billed_item": line.billed_item,
        "explanation": _json(line.explanation),
        "recognize_at": recognize_at,
        "discount_minor": line.discount.minor if line.discount else 0,
        "charge": line.charge,
        "credits_line_id": line.credits_line_id,
        "tax_code": line.tax_code,
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
        discount=_unless_zero(row["discount_minor"], currency),
        charge=row["charge"],
        credits_line_id=row["credits_line_id"],
        billed_item=row["billed_item"],
        tax_code=row["tax_code"],
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
        kind=InvoiceKind(row["kind"]),
        issuer_id=row["issuer_id"],
        discount=_unless_zero(row["discount_minor"], currency),
        credit_applied=_unless_zero(row["credit_applied_minor"], currency),
        is_sent=row["is_sent"],
        corrects_invoice_id=row["corrects_invoice_id"],
        memo=row["memo"],
        retention_until=row["retention_until"],
        is_forgotten=row["forgotten_at"] is not None,
    )


def _unless_zero(minor: int, currency: str) -> Money | None:
    return Money(minor, currency) if minor else None


def split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
