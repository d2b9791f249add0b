"""From drafts to invoices: discounts taken, tax chosen and worked out, terms and parties filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import TaxRate
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Issuer
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import (
    AppliedRate,
    Discount,
    Draft,
    Invoice,
    InvoiceKind,
    Line,
    NewLine,
    Party,
    Status,
)
from guilder.domain.invoicing.rules import captions, discounting, taxation, totals
from guilder.domain.subscriptions.rules import grid
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money, total, zero
from guilder.platform.db.tx import Tx

LINES_MAX = 10_000


class UnknownIssuer(NotFound):
    """There is no such issuer."""

    code = "unknown_issuer"


@dataclass(frozen=True, slots=True)
class Made:
    """A draft that became an invoice, with what is only known here."""

    draft: Draft
    invoice: Invoice
    issuer: Issuer
    recognize_at: tuple[datetime | None, ...]  # of each line: when what is deferred of it is earned
    taken: tuple[tuple[Discount, Money, bool], ...]  # net; and whether it uses up one of the discount's periods


@dataclass(frozen=True, slots=True)
class _Ground:
    """What drafts are priced by. Discounts are used up from one draft to the next."""

    issuers: Mapping[Ref, Issuer]
    default_issuers: Mapping[TenantId, Issuer]
    rates: Mapping[TenantId, tuple[TaxRate, ...]]
    buyers: Mapping[Ref, Customer]
    discounts: dict[Ref, list[Discount]]
    taken_off: Mapping[Ref, Mapping[UUID, int | None]]  # of the lines that drafts give back something of
    left: dict[Ref, tuple[int, int]]  # of those lines, (net, tax): taken from one draft to the next

    def issuer_of(self, draft: Draft) -> Issuer:
        if draft.issuer_id is None:
            return self.default_issuers[draft.tenant_id]
        found = self.issuers.get(Ref(draft.tenant_id, draft.issuer_id))
        if found is None:
            raise UnknownIssuer(field="issuer_id")
        return found

    def take(self, draft: Draft) -> discounting.Discounted:
        """Take the customer's discounts off a draft, and count it with those that took something."""
        customer = Ref(draft.tenant_id, draft.customer_id)
        own = self.discounts.get(customer, [])
        discounted = discounting.apply(draft, own if draft.takes_discounts else [], self._carried(draft))
        counted = {each.discount.id: discounting.used(each.discount) for each in discounted.taken if each.is_counted}
        self.discounts[customer] = [counted.get(each.id, each) for each in own]
        return discounted

    def taxables(self, draft: Draft, amounts: Sequence[Money], rates: Sequence[AppliedRate]) -> list[totals.Taxable]:
        found = []
        for line, amount, rate in zip(draft.lines, amounts, rates, strict=True):
            taxable = totals.Taxable(amount, rate, is_inclusive=line.is_tax_inclusive, tax=line.tax)
            left = self.left.get(Ref(draft.tenant_id, line.credits_line_id)) if line.credits_line_id else None
            if left is not None and line.tax is None:
                taxable = totals.giving_back(taxable, net_left=left[0], tax_left=left[1])
            found.append(taxable)
        return found

    def give(self, draft: Draft, taxed: totals.Taxed) -> None:
        """Count what a draft gives back of lines."""
        for line, net, tax in zip(draft.lines, taxed.nets, taxed.line_taxes, strict=True):
            ref = Ref(draft.tenant_id, line.credits_line_id) if line.credits_line_id else None
            if ref in self.left:
                self.left[ref] = self.left[ref][0] + net.minor, self.left[ref][1] + tax.minor

    def _carried(self, draft: Draft) -> dict[UUID | None, dict[UUID, int | None]]:
        carried: dict[UUID | None, dict[UUID, int | None]] = {}
        for line in draft.lines:
            if line.credits_line_id is not None:
                taken = self.taken_off.get(Ref(draft.tenant_id, line.credits_line_id), {})
                carried.setdefault(line.subscription_id, {}).update(taken)
        return carried


async def price(tx: Tx, drafts: Sequence[Draft], *, held: Sequence[Customer] = (), now: datetime) -> list[Made]:
    """Work out what drafts come to, in order. The discounts that they take are locked, and used up in that order.

    `held` are customers whom this transaction has locked: nobody has changed them since.
    """
    tenant_ids = sorted({draft.tenant_id for draft in drafts})
    known = await identity.issuers(tx, tenant_ids=tenant_ids)
    buyer_refs = sorted({Ref(draft.tenant_id, draft.customer_id) for draft in drafts})
    credited = {
        Ref(draft.tenant_id, line.credits_line_id) for draft in drafts for line in draft.lines if line.credits_line_id
    }
    taken_off = await store.discounts.taken_off(tx, sorted(credited))
    ground = _Ground(
        issuers=known,
        default_issuers={each.tenant_id: each for each in known.values() if each.is_default},
        rates=await catalog.tax_rates(tx, tenant_ids=tenant_ids),
        buyers=await _buyers(tx, buyer_refs, held),
        discounts={},
        taken_off=taken_off,
        left=await store.uncredited(tx, sorted(credited)) if credited else {},
    )
    carried = sorted({Ref(line.tenant_id, each) for line, taken in taken_off.items() for each in taken})
    for discount in await store.discounts.lock_live(tx, buyer_refs, also=carried):
        ground.discounts.setdefault(Ref(discount.tenant_id, discount.customer_id), []).append(discount)
    invoice_ids = ids.new_many(now, len(drafts))
    return [_made(draft, ground, id_, now=now) for draft, id_ in zip(drafts, invoice_ids, strict=True)]


async def _buyers(tx: Tx, refs: Sequence[Ref], held: Sequence[Customer]) -> dict[Ref, Customer]:
    known = {customers.ref_of(each): each for each in held}
    missing = [ref for ref in refs if ref not in known]
    return known | await customers.get(tx, refs=missing) if missing else known


def _made(draft: Draft, ground: _Ground, id_: UUID, *, now: datetime) -> Made:
    assert 0 < len(draft.lines) <= LINES_MAX, len(draft.lines)
    issuer, buyer = ground.issuer_of(draft), ground.buyers[Ref(draft.tenant_id, draft.customer_id)]
    issued_on = draft.issued_at.astimezone(ZoneInfo(buyer.time_zone)).date()
    sale = taxation.Sale(seller=issuer, buyer=buyer, rates=ground.rates.get(draft.tenant_id, ()), issued_on=issued_on)
    discounted = ground.take(draft)
    rates = taxation.rates_of(draft.lines, sale)
    taxables = ground.taxables(draft, discounted.left, rates)
    taxed = totals.of(taxables, currency=draft.currency)
    ground.give(draft, taxed)
    off = [_net_off(draft, rates, each) for each in discounted.taken]
    lines = tuple(_lines(draft, taxed, taxables, discounted, off, language=buyer.language, now=now))
    return Made(
        draft=draft,
        invoice=_invoice(id_, draft, issuer, buyer, taxed, lines, issued_on=issued_on, now=now),
        issuer=issuer,
        recognize_at=tuple(_recognized_at(line, draft.issued_at) for line in draft.lines),
        taken=tuple(
            (each.discount, total(list(shares), draft.currency), each.is_counted)
            for each, shares in zip(discounted.taken, off, strict=True)
        ),
    )


def _net_off(draft: Draft, rates: Sequence[AppliedRate], taken: discounting.Taken) -> list[Money]:
    """Return what a discount took off each line, net: of a price that contains its tax, the tax went with it."""
    return [
        Money(share.minor - totals.tax_within(share.minor, rate.percent), share.currency)
        if line.is_tax_inclusive
        else share
        for line, rate, share in zip(draft.lines, rates, taken.shares, strict=True)
    ]


def _invoice(
    id_: UUID,
    draft: Draft,
    issuer: Issuer,
    buyer: Customer,
    taxed: totals.Taxed,
    lines: tuple[Line, ...],
    *,
    issued_on: date,
    now: datetime,
) -> Invoice:
    is_taxed = any(line.tax_code != taxation.NONE for line in lines)
    discount = total([line.discount for line in lines if line.discount], draft.currency)
    return Invoice(
        tenant_id=draft.tenant_id,
        id=id_,
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
        lines=lines,
        taxes=taxed.taxes if is_taxed else (),
        seller=_seller(issuer),
        buyer=_buyer(buyer),
        language=buyer.language,
        time_zone=buyer.time_zone,
        issued_at=draft.issued_at,
        issued_on=issued_on,
        # So many dates later where the buyer is, whatever the clock does meanwhile.
        due_at=grid.days_later(draft.issued_at, ZoneInfo(buyer.time_zone), _net_days(draft, buyer, issuer)),
        created_at=now,
        subscription_id=draft.subscription_id,
        order_id=draft.order_id,
        kind=InvoiceKind.CREDIT_NOTE if taxed.total.minor < 0 else InvoiceKind.INVOICE,
        issuer_id=issuer.id,
        discount=discount if discount.minor else None,
        is_sent=draft.is_sent,
        corrects_invoice_id=draft.corrects_invoice_id,
        memo=draft.memo,
        metadata=draft.metadata,
    )


def _net_days(draft: Draft, buyer: Customer, issuer: Issuer) -> int:
    for said in (draft.net_days, buyer.net_days):
        if said is not None:
            return said
    return issuer.terms_days


def _lines(
    draft: Draft,
    taxed: totals.Taxed,
    taxables: Sequence[totals.Taxable],
    discounted: discounting.Discounted,
    off: Sequence[Sequence[Money]],
    *,
    language: str,
    now: datetime,
) -> list[Line]:
    made, nothing = [], zero(draft.currency)
    rates = [each.rate for each in taxables]
    line_ids, named = ids.new_many(now, len(draft.lines)), taxation.names(rates)
    for n, line in enumerate(draft.lines):
        discount = total([shares[n] for shares in off], draft.currency) if off else nothing
        made.append(
            Line(
                id=line_ids[n],
                number=n + 1,
                kind=line.kind,
                description=captions.written(line.description, language),
                quantity=Decimal(line.quantity),
                unit_amount=line.unit_amount,
                amount=taxed.nets[n],
                tax_percent=rates[n].percent,
                tax=taxed.line_taxes[n],
                period=line.period,
                subscription_id=line.subscription_id,
                product_id=line.product_id,
                explanation=_explained(line, taxables[n], taxed.line_taxes[n], discounted, n, named=named[n]),
                discount=discount if discount.minor else None,
                charge=line.charge,
                credits_line_id=line.credits_line_id,
                billed_item=line.billed_item,
                tax_code=rates[n].code,
            )
        )
    return made


def _explained(
    line: NewLine,
    taxable: totals.Taxable,
    tax: Money,
    discounted: discounting.Discounted,
    n: int,
    *,
    named: Mapping[str, str] | None,
) -> dict[str, object]:
    """Add to a line's own reasons what was taken off it, and how it was taxed."""
    rate = taxable.rate
    taxed: dict[str, object] = {"percent": f"{rate.percent:f}", "amount": tax.minor}
    if rate.code not in (taxation.STANDARD, taxation.NONE):
        taxed["code"] = rate.code
    if named is not None:
        taxed["rate"] = named
    if taxable.tax is not None:
        taxed["is_known"] = True  # a part of a tax that was worked out before
    if line.is_tax_inclusive:
        taxed |= {"is_inclusive": True, "gross": discounted.left[n].minor}
    explanation: dict[str, object] = {**line.explanation, "tax": taxed}
    taken = [
        {
            "code": each.discount.code,
            "name": each.discount.name,
            **({"percent": f"{each.discount.percent:f}"} if each.discount.percent is not None else {}),
            **({"amount": each.discount.amount.minor} if each.discount.amount is not None else {}),
            **({"allotted": each.allotted} if each.allotted is not None else {}),
            "off_the_invoice": each.amount.minor,
            "before": each.before[n].minor,
            "off_this_line": each.shares[n].minor,
        }
        for each in discounted.taken
        if each.shares[n].minor
    ]
    return {**explanation, "discounts": taken} if taken else explanation


def _recognized_at(line: NewLine, issued_at: datetime) -> datetime | None:
    """Return when what is billed in advance is earned; None where it is earned already."""
    if line.period is None:
        assert not line.is_deferred, line
        return None
    is_deferred = line.period.ends_at > issued_at if line.is_deferred is None else line.is_deferred
    return line.period.ends_at if is_deferred else None


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


def periods_left(made: Sequence[Made]) -> dict[Ref, int | None]:
    """Return how often each discount is left that these took from, after the last of them."""
    # Each noted the discount as it found it, so the last one's says what is left.
    return {
        discount.ref: discounting.used(discount).periods_left
        for each in made
        for discount, _, is_counted in each.taken
        if is_counted
    }
