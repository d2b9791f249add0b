"""The document that an invoice is sent as: asked for, described, kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Issuer
from guilder.domain.invoicing import store
from guilder.domain.invoicing.events import InvoiceDocumentStored
from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line, Party, Status, TaxTotal
from guilder.domain.invoicing.rules import document as printed
from guilder.domain.invoicing.rules.taxation import REVERSE_CHARGE, STANDARD
from guilder.domain.invoicing.service.telling import event
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.rules.brands import card_name
from guilder.kernel.currency import exponent
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import zero
from guilder.kernel.period import Period
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import NewIntent

DOCUMENT = "invoice.document"
DESTINATION = "files"
HUNDRED = 100

_STANDING = {
    Status.DRAFT: printed.Standing.DRAFT,
    Status.OPEN: printed.Standing.DUE,
    Status.UNCOLLECTIBLE: printed.Standing.DUE,
    Status.PAID: printed.Standing.PAID,
    Status.VOID: printed.Standing.VOID,
}
assert set(_STANDING) == set(Status)


class DocumentForgotten(NotFound):
    """The law did not want this document kept any longer, and it was forgotten."""

    code = "document_forgotten"


class DocumentNotReady(Conflict):
    """The PDF is being made; try again in a moment."""

    code = "document_not_ready"


@dataclass(frozen=True, slots=True)
class Described:
    """What is to be printed, in whose language, and where it will lie."""

    invoice: Invoice
    document: printed.InvoiceDocument


async def request_documents(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Ask for the PDFs of these invoices, anew where there is one."""
    wanted = [
        NewIntent(tenant_id=ref.tenant_id, kind=DOCUMENT, destination=DESTINATION, subject_id=ref.id) for ref in refs
    ]
    await intents.intend(tx, intents=wanted, now=now, revive=True)


async def describe(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Described]:
    """Return what the documents of these invoices say, as they stand."""
    found = await store.get(tx, refs)
    issuers = await identity.issuers(tx, tenant_ids=sorted({invoice.tenant_id for invoice in found}))
    corrected = [Ref(each.tenant_id, each.corrects_invoice_id) for each in found if each.corrects_invoice_id]
    numbers = {each.ref: each.number or "" for each in await store.get(tx, corrected)} if corrected else {}
    last = await payments.current(tx, invoices=[invoice.ref for invoice in found])
    return {
        invoice.ref: Described(
            invoice,
            _document(invoice, _issuer_of(invoice, issuers), last.get(invoice.ref), _corrects(invoice, numbers)),
        )
        for invoice in found
        if invoice.number is not None and not invoice.is_forgotten
    }


async def document_stored(tx: Tx, *, documents: Sequence[tuple[Ref, str, Status]], now: datetime) -> set[Ref]:
    """Keep where PDFs lie, and what standing they show; return those whose invoice was paid or voided meanwhile.

    Those have to be made anew, by whoever made them: what was asked for while they were in hand was not asked twice.
    """
    await store.save_document(tx, documents)
    found = {invoice.ref: invoice for invoice in await store.get(tx, [ref for ref, _, _ in documents])}
    outbox.announce(tx, [_stored(found[ref], status) for ref, _, status in documents], now=now)
    return {ref for ref, _, status in documents if _STANDING[found[ref].status] is not _STANDING[status]}


async def document_path(tx: Tx, *, invoice: Invoice) -> str:
    """Return where the invoice's PDF lies.

    :raises DocumentForgotten: it need not be kept any more, and was not
    :raises DocumentNotReady: the one that shows how it stands now is still being made
    """
    if invoice.is_forgotten:
        raise DocumentForgotten
    path, status = await store.document_path(tx, invoice.ref)
    if not path or _STANDING[Status(status)] is not _STANDING[invoice.status]:
        raise DocumentNotReady(retry_after_s=1)
    return path


def _issuer_of(invoice: Invoice, issuers: Mapping[Ref, Issuer]) -> Issuer:
    assert invoice.issuer_id is not None, "whatever is final has an issuer"
    return issuers[Ref(invoice.tenant_id, invoice.issuer_id)]


def _corrects(invoice: Invoice, numbers: Mapping[Ref, str]) -> str:
    if invoice.corrects_invoice_id is None:
        return ""
    return numbers[Ref(invoice.tenant_id, invoice.corrects_invoice_id)]


def _document(
    invoice: Invoice, issuer: Issuer, payment: Payment | None, corrects_number: str
) -> printed.InvoiceDocument:
    assert invoice.number is not None
    zone = ZoneInfo(invoice.time_zone)
    is_note = invoice.kind is InvoiceKind.CREDIT_NOTE
    discount = invoice.discount or zero(invoice.currency)
    paid = payment if payment is not None and payment.status is PaymentStatus.SUCCEEDED else None
    return printed.InvoiceDocument(
        kind=printed.Kind(invoice.kind),
        # A credit note is neither due nor paid.
        standing=printed.Standing.DUE if is_note else _STANDING[invoice.status],
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=None if is_note else invoice.due_at.astimezone(zone).date(),
        issuer=_party(invoice.seller),
        customer=_party(invoice.buyer),
        lines=tuple(_line(line, zone, is_taxed=bool(invoice.taxes)) for line in invoice.lines),
        subtotal=invoice.subtotal + discount,
        discounts=(("", discount),) if discount.minor else (),
        net=invoice.subtotal,
        total=invoice.total,
        amount_due=zero(invoice.currency) if invoice.status is Status.VOID else invoice.due,
        taxes=tuple(_tax(tax) for tax in invoice.taxes),
        credit_applied=invoice.credit_applied,
        credited=invoice.credited,
        payments=(_payment(paid, invoice, zone),) if paid and invoice.paid.minor else (),
        notes=_notes(invoice),
        corrects_number=corrects_number,
        is_reverse_charge=any(tax.code == REVERSE_CHARGE for tax in invoice.taxes),
        has_prices_with_tax=any(_has_tax_in_price(line) for line in invoice.lines),
        footer=issuer.footer,
        logo_svg=issuer.logo_svg,
    )


def _tax(tax: TaxTotal) -> printed.TaxLine:
    # What is not taxed is explained by its note, in the reader's language.
    return printed.TaxLine(tax.name if tax.code == STANDARD else "", tax.percent / HUNDRED, tax.net, tax.tax)


def _notes(invoice: Invoice) -> tuple[str, ...]:
    legal = [tax.legal_note for tax in invoice.taxes if tax.legal_note and tax.code != REVERSE_CHARGE]
    return tuple(dict.fromkeys([*([invoice.memo] if invoice.memo else []), *legal]))


def _has_tax_in_price(line: Line) -> bool:
    taxed = line.explanation.get("tax")
    return isinstance(taxed, dict) and bool(taxed.get("is_inclusive"))


def _payment(paid: Payment, invoice: Invoice, zone: ZoneInfo) -> printed.PaymentMade:
    at = paid.settled_at or paid.requested_at
    return printed.PaymentMade(at.astimezone(zone).date(), invoice.paid, card_name(paid.brand, paid.last4))


def _party(party: Party | None) -> printed.Party:
    assert party is not None, "a document keeps its parties for as long as it is kept"
    return printed.Party(
        name=party.name,
        address=_address(party.address),
        country=party.address.country,
        tax_id=party.vat_id,
        registration=party.registration,
        email=party.email,
    )


def _address(address: Address) -> tuple[str, ...]:
    town = " ".join(part for part in (address.postal_code, address.city) if part)
    return tuple(part for part in (address.line1, address.line2, town, address.region) if part)


def _line(line: Line, zone: ZoneInfo, *, is_taxed: bool) -> printed.DocumentLine:
    price = None
    if line.unit_amount is not None:
        price = Decimal(line.unit_amount.minor).scaleb(-exponent(line.unit_amount.currency))
    return printed.DocumentLine(
        description=line.description,
        # Before the discount, as the subtotal is: what stands in the column adds up to what stands under it.
        amount=line.amount + line.discount if line.discount else line.amount,
        period=_days(line.period, zone) if line.period else None,
        quantity=Decimal(line.quantity),
        unit_price=price,
        tax_rate=line.tax_percent / HUNDRED if is_taxed else None,
        discount=line.discount,
    )


def _days(period: Period, zone: ZoneInfo) -> printed.Days:
    """Return a period's local days: the day on which the next one begins is the next one's."""
    first, after = period.starts_at.astimezone(zone).date(), period.ends_at.astimezone(zone).date()
    return printed.Days(first, max(after, first + timedelta(days=1)))


def _stored(invoice: Invoice, status: Status) -> InvoiceDocumentStored:
    return event(InvoiceDocumentStored, invoice, is_paid=status is Status.PAID)
