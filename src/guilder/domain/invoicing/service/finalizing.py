"""Making drafts owed: priced, taxed, booked, collected, and numbered last."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import TaxRate
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Issuer
from guilder.domain.invoicing import store
from guilder.domain.invoicing.events import InvoiceFinalized, InvoicePaid
from guilder.domain.invoicing.model import Draft, Invoice, Line, LineKind, Party, Status
from guilder.domain.invoicing.rules import numbering, totals
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payable, Via
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import total, zero
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

LINES_MAX = 10_000


class AlreadyBilled(Conflict):
    """This has been billed already."""

    code = "already_billed"


class NegativeInvoice(Conflict):
    """The credits on this invoice are more than its charges."""

    code = "negative_invoice"


@dataclass(frozen=True, slots=True)
class _Made:
    """A draft that became an invoice, with what is only known here."""

    draft: Draft
    invoice: Invoice
    issuer: Issuer


async def finalize(tx: Tx, *, drafts: Sequence[Draft], via: Via, now: datetime) -> list[Invoice]:
    """Make drafts owed: write them, book them, ask for their payment, and number them, last of all.

    What comes to nothing is paid with that. The numbers are taken at the very end, since from there to the commit
    nobody else can have one of the same issuer.

    :raises AlreadyBilled: something on a draft was billed before; nothing is written then
    :raises NegativeInvoice: a draft's credits are more than its charges
    """
    if not drafts:
        return []
    made = await _price(tx, drafts, now=now)
    await store.insert(tx, [(each.invoice, _head(each), _about_lines(each.draft)) for each in made], now=now)
    await _claim(tx, made)
    await ledger.post(tx, entries=[_booking(each.invoice) for each in made])
    await payments.collect(tx, payables=[_payable(each, via) for each in made if each.invoice.total.minor], now=now)
    final = await _number(tx, made, now=now)
    outbox.announce(tx, [_finalized(invoice) for invoice in final], now=now)
    outbox.announce(tx, [paid_event(invoice) for invoice in final if invoice.status is Status.PAID], now=now)
    return final


async def are_billed(tx: Tx, *, items: Sequence[tuple[TenantId, str]]) -> set[tuple[TenantId, str]]:
    """Return those of (tenant, billed item) that an invoice bills already."""
    return await store.are_billed(tx, items)


async def _price(tx: Tx, drafts: Sequence[Draft], *, now: datetime) -> list[_Made]:
    tenant_ids = sorted({draft.tenant_id for draft in drafts})
    issuers = await identity.issuer(tx, tenant_ids=tenant_ids)
    rates = await catalog.default_tax_rates(tx, tenant_ids=tenant_ids)
    buyers = await customers.get(tx, refs=sorted({Ref(draft.tenant_id, draft.customer_id) for draft in drafts}))
    return [
        _Made(
            draft,
            _invoice(
                draft,
                issuers[draft.tenant_id],
                buyers[Ref(draft.tenant_id, draft.customer_id)],
                rates.get(draft.tenant_id),
                now=now,
            ),
            issuers[draft.tenant_id],
        )
        for draft in drafts
    ]


def _invoice(draft: Draft, issuer: Issuer, buyer: Customer, rate: TaxRate | None, *, now: datetime) -> Invoice:
    assert 0 < len(draft.lines) <= LINES_MAX, len(draft.lines)
    percent = rate.percent if rate else Decimal(0)
    taxed = totals.of(
        [(line.amount, percent) for line in draft.lines],
        currency=draft.currency,
        rate_names={percent: (rate.name, rate.legal_note)} if rate else {},
    )
    if taxed.total.minor < 0:
        raise NegativeInvoice(f"the credits are {-taxed.total} more than the charges")
    zone = ZoneInfo(buyer.time_zone)
    return Invoice(
        tenant_id=draft.tenant_id,
        id=ids.new(now),
        customer_id=draft.customer_id,
        number=None,
        status=Status.DRAFT,
        currency=draft.currency,
        subtotal=taxed.subtotal,
        tax=taxed.tax,
        total=taxed.total,
        paid=zero(draft.currency),
        credited=zero(draft.currency),
        refunded=zero(draft.currency),
        lines=tuple(_lines(draft, taxed, percent, now=now)),
        taxes=taxed.taxes if rate else (),
        seller=_seller(issuer),
        buyer=_buyer(buyer),
        language=buyer.language,
        time_zone=buyer.time_zone,
        issued_at=draft.issued_at,
        issued_on=draft.issued_at.astimezone(zone).date(),
        due_at=draft.issued_at + timedelta(days=issuer.terms_days),
        created_at=now,
        subscription_id=draft.subscription_id,
        order_id=draft.order_id,
        metadata=draft.metadata,
    )


def _lines(draft: Draft, taxed: totals.Taxed, percent: Decimal, *, now: datetime) -> list[Line]:
    return [
        Line(
            id=ids.new(now),
            number=number,
            kind=line.kind,
            description=line.description,
            quantity=Decimal(line.quantity),
            unit_amount=line.unit_amount,
            amount=line.amount,
            tax_percent=percent,
            tax=tax,
            period=line.period,
            subscription_id=line.subscription_id,
            product_id=line.product_id,
            explanation={**line.explanation, "tax": {"percent": f"{percent:f}", "amount": tax.minor}},
        )
        for number, (line, tax) in enumerate(zip(draft.lines, taxed.line_taxes, strict=True), start=1)
    ]


def _seller(issuer: Issuer) -> Party:
    return Party(
        name=issuer.legal_name,
        address=issuer.address,
        vat_id=issuer.vat_id,
        email=issuer.email,
        registration=issuer.registration,
    )


def _buyer(customer: Customer) -> Party:
    return Party(name=customer.name, address=customer.address, vat_id=customer.vat_id, email=customer.email)


async def _claim(tx: Tx, made: Sequence[_Made]) -> None:
    items = [(each.draft.tenant_id, line.billed_item, each.invoice.id) for each in made for line in each.draft.lines]
    free = await store.claim_items(tx, items)
    taken = [item for tenant_id, item, _ in items if (tenant_id, item) not in free]
    if taken or len(free) < len(items):
        raise AlreadyBilled(f"billed already: {taken[0] if taken else 'one thing twice'}")


def _head(each: _Made) -> store.Head:
    return store.Head(
        issuer_id=each.issuer.id,
        time_zone=each.invoice.time_zone,
        payment_method_id=each.draft.payment_method_id,
    )


def _about_lines(draft: Draft) -> list[tuple[str, datetime | None]]:
    return [(line.billed_item, line.period.ends_at if line.period else None) for line in draft.lines]


def _booking(invoice: Invoice) -> JournalEntry | None:
    deferred = total([line.amount for line in invoice.lines if line.period], invoice.currency)
    return journal.invoice_finalized(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        earned=invoice.subtotal - deferred,
        deferred=deferred,
        tax=invoice.tax,
        at=invoice.issued_at,
    )


def _payable(each: _Made, via: Via) -> Payable:
    first = each.invoice.lines[0]
    return Payable(
        tenant_id=each.invoice.tenant_id,
        invoice_id=each.invoice.id,
        customer_id=each.invoice.customer_id,
        amount=each.invoice.total,
        description=first.description[:200],
        payment_method_id=each.draft.payment_method_id,
        via=via,
    )


async def _number(tx: Tx, made: Sequence[_Made], *, now: datetime) -> list[Invoice]:
    series = Counter((each.invoice.tenant_id, each.issuer.id) for each in made)
    following = await store.take_numbers(tx, series)
    final, touches = [], []
    for each in made:
        key = (each.invoice.tenant_id, each.issuer.id)
        sequence = following[key]
        following[key] += 1
        number = numbering.written(each.issuer.number_format, sequence, each.invoice.issued_on)
        is_paid = each.invoice.total.is_zero
        touch = store.FinalTouch(
            ref=each.invoice.ref,
            sequence=sequence,
            number=number,
            status=Status.PAID if is_paid else Status.OPEN,
            content_sha256=numbering.seal(each.invoice, number),
            paid_at=each.invoice.issued_at if is_paid else None,
        )
        touches.append(touch)
        final.append(replace(each.invoice, number=number, status=touch.status, paid_at=touch.paid_at, finalized_at=now))
    await store.finalize(tx, touches, now=now)
    return final


def _finalized(invoice: Invoice) -> InvoiceFinalized:
    assert invoice.number is not None
    return InvoiceFinalized(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        order_id=invoice.order_id,
        number=invoice.number,
        total=invoice.total,
        due_at=invoice.due_at,
    )


def paid_event(invoice: Invoice) -> InvoicePaid:
    assert invoice.number is not None
    assert invoice.paid_at is not None
    return InvoicePaid(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        order_id=invoice.order_id,
        number=invoice.number,
        total=invoice.total,
        paid_at=invoice.paid_at,
        product_ids=tuple(
            line.product_id for line in invoice.lines if line.kind is LineKind.PRODUCT and line.product_id
        ),
    )
