"""A line of every kind and rule, as the rules that bill make them, and invoices of them without a database."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from guilder.domain.catalog.model import (
    Basis,
    Charge,
    ChargeModel,
    ChargePrice,
    MatrixCell,
    PriceModel,
    TaxRate,
    Tier,
)
from guilder.domain.customers.model import Customer, CustomerKind
from guilder.domain.identity.model import Address, Issuer
from guilder.domain.invoicing.model import Discount, Draft, LineKind, NewLine, PrepaidGrant
from guilder.domain.invoicing.rules import by_hand, commitment, correcting, drafts, prepaid, use
from guilder.domain.invoicing.rules.billed import Billed
from guilder.domain.invoicing.rules.commitment import Counted, Part
from guilder.domain.invoicing.service import pricing
from guilder.domain.usage.model import Reading
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from tests.unit.invoicing.rules.test_proration import JUNE, Books, a_subscription, eur, terms

AT = JUNE.starts_at
MIDDLE = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
STUB = Period(datetime(2026, 6, 11, tzinfo=UTC), JUNE.ends_at)
PRO = a_subscription(terms(3_000))
TIERS = (
    Tier(up_to=Decimal(10), unit_amount=Decimal("1.5")),
    Tier(up_to=None, unit_amount=Decimal("0.7"), flat_amount=Decimal(300)),
)
GRADUATED = PriceModel(model=ChargeModel.GRADUATED, tiers=TIERS, free_units=Decimal(3))


def fee(amount=3_000, *, quantity=1, model=None, full=None, **billing):
    agreed = replace(terms(amount, quantity=quantity, **billing), model=model, full_amount=full)
    return drafts.fee_line(a_subscription(agreed), agreed, JUNE)


def stub(basis, amount=3_000):
    agreed = terms(amount, basis=basis)
    return drafts.fee_line(a_subscription(agreed, period=STUB, full=JUNE), agreed, STUB)


def arrears():
    agreed = terms(3_100, in_arrears=True)
    return drafts.fee_line(a_subscription(agreed), agreed, STUB, full=JUNE, in_arrears=True)


def one_off():
    said = {"tenant_id": PRO.tenant_id, "customer_id": PRO.customer_id, "order_id": UUID(int=7), "issued_at": AT}
    made = drafts.one_off(description="A film", amount=eur(499), product_id=UUID(int=5), payment_method_id=None, **said)
    return made.lines[0]


def changed(basis, *, fee=None, to=5_000, at=MIDDLE):
    books = Books(terms(3_000, basis=basis), fee=fee)
    return books.change(terms(to, name="Big", basis=basis), at)


def undone():
    books = Books(terms(3_000))
    books.change(terms(5_000, name="Big"), MIDDLE)
    return books.change(terms(3_000), MIDDLE)


def used(model, *readings, billed=None, late=False, period=JUNE, included=0, cap=None):
    charge = Charge(
        code="api",
        name="API calls",
        meter="calls",
        prices=(ChargePrice(currency="EUR", model=model, cap_minor=cap),),
        included=Decimal(included),
        group_by=("region",) if readings and readings[0].group else (),
    )
    stretch = use.still_open(PRO, period, JUNE)
    priced = use.PricedCharge(charge=charge, model=model, cap_minor=cap)
    [rated] = use.rate(stretch, priced, readings)
    line = use.adjustment(stretch, rated, billed) if late else use.line(stretch, rated, billed)
    assert line is not None
    return line


def reading(quantity, *, events=1, value=0, group=()):
    return Reading(group=group, quantity=Decimal(quantity), events=events, value=Decimal(value))


def billed_before(amount, kept=Fraction(1), left=None):
    return Billed(
        amount=eur(amount),
        number=1,
        invoice_number="INV-1",
        line_id=UUID(int=8),
        kept=kept,
        left=None if left is None else eur(left),
    )


def missing(billed=None):
    agreed = terms(1_000, commitments=(eur(10_000),))
    parts = [Part(terms=agreed, share=Fraction(1, 3)), Part(terms=agreed, share=Fraction(2, 3))]
    counted = Counted(fees=eur(1_000), use=eur(2_345))
    line = commitment.line(parts, counted, subscription_id=PRO.id, period=JUNE, billed=billed)
    assert line is not None
    return line


def paid_by_prepaid(left):
    grant = PrepaidGrant(
        tenant_id=PRO.tenant_id,
        id=UUID(int=6),
        customer_id=PRO.customer_id,
        amount=eur(left),
        left=eur(left),
        priority=1,
        granted_at=AT,
        expires_at=None,
        is_paid=True,
        name="Summer credit",
    )
    line = used(GRADUATED, reading("1234.5"))
    return list(prepaid.apply(a_draft([line]), [grant])[0].lines)


def noted():
    invoice = replace(invoiced([fee(3_333)]), number="INV-1")
    left = correcting.left_of(invoice, {})
    back = correcting.of_lines(left, [(invoice.lines[0].id, 1_111)])
    return list(correcting.draft_of(invoice, back, cause=UUID(int=4), reason="Out of order", now=AT).lines)


def bought():
    line = NewLine(
        kind=LineKind.CHARGE,
        description="Prepaid credits",
        amount=eur(5_000),
        billed_item="prepaid:1:bought",
        explanation={"rule": "prepaid_credits_bought", "amount": 5_000, "sentence": ""},
    )
    return [line]


ISSUER = Issuer(
    tenant_id=PRO.tenant_id, id=UUID(int=20), legal_name="Acme GmbH", address=Address(country="DE"), vat_id="DE1"
)
BUYER = Customer(
    tenant_id=PRO.tenant_id,
    id=PRO.customer_id,
    organization_id="org_1",
    kind=CustomerKind.ORGANIZATION,
    name="Buyer",
    email="",
    created_at=AT,
)
VAT = TaxRate(tenant_id=PRO.tenant_id, id=UUID(int=21), name="VAT", percent=Decimal(19), is_default=True)
SPRING = Discount(
    tenant_id=PRO.tenant_id,
    id=UUID(int=22),
    customer_id=PRO.customer_id,
    subscription_id=None,
    promo_code_id=UUID(int=23),
    code="SPRING",
    name="Spring",
    percent=Decimal("12.5"),
    amount=None,
    periods_left=None,
    plan_ids=(),
    redeemed_at=AT,
    number=1,
)
FIVE = replace(SPRING, id=UUID(int=24), code="FIVE", percent=None, amount=Money(5, "EUR"), number=2)


def a_draft(lines):
    return Draft(
        tenant_id=PRO.tenant_id,
        customer_id=PRO.customer_id,
        currency="EUR",
        lines=tuple(lines),
        issued_at=AT,
        subscription_id=PRO.id,
    )


def invoiced(lines, *, discounts=(), rates=(), **buyer):
    ground = pricing._Ground(
        issuers={ISSUER.ref: ISSUER},
        default_issuers={ISSUER.tenant_id: ISSUER},
        rates={ISSUER.tenant_id: tuple(rates)},
        buyers={Ref(BUYER.tenant_id, BUYER.id): replace(BUYER, **buyer)},
        discounts={Ref(BUYER.tenant_id, BUYER.id): list(discounts)},
        taken_off={},
        left={},
    )
    return pricing._made(a_draft(lines), ground, UUID(int=9), now=AT).invoice


MATRIX = PriceModel(
    model=ChargeModel.MATRIX,
    unit_amount=Decimal("0.01"),
    dimensions=("size",),
    cells=(MatrixCell(values=(("size", "L"),), unit_amount=Decimal("2.125")),),
)
PERCENTAGE = PriceModel(
    model=ChargeModel.PERCENTAGE, percent=Decimal("1.75"), fixed_amount=Decimal(25), free_value=Decimal(10_000)
)
GRADUATED_PERCENTAGE = PriceModel(
    model=ChargeModel.GRADUATED_PERCENTAGE,
    tiers=(
        Tier(up_to=Decimal(100_000), percent=Decimal(3)),
        Tier(up_to=None, percent=Decimal("1.5"), flat_amount=Decimal(50)),
    ),
)
CASES: dict[str, list[NewLine]] = {
    "fee": [fee()],
    "seats": [fee(999, quantity=7)],
    "fee by tiers": [fee(100, quantity=25, model=replace(GRADUATED, free_units=Decimal(0)), full=eur(326))],
    **{f"stub by {basis}": [stub(basis)] for basis in Basis if basis is not Basis.NONE},
    "in arrears": [arrears()],
    "one-off": [one_off()],
    "by hand": list(
        by_hand.lines(
            [by_hand.Item(description="Hours", quantity=Decimal("7.25"), unit_amount=eur(8_333))], cause=PRO.id
        )
    ),
    **{f"change by {basis}": changed(basis) for basis in Basis if basis is not Basis.NONE},
    "change after a discount": changed(Basis.SECOND, fee=2_111),
    "change undone": undone(),
    "per unit": [used(PriceModel(model=ChargeModel.PER_UNIT, unit_amount=Decimal("0.333")), reading(1_000))],
    "graduated": [used(GRADUATED, reading("1234.5"), included=100)],
    "graduated, part of a period": [used(GRADUATED, reading(500), included=100, period=STUB)],
    "volume": [used(PriceModel(model=ChargeModel.VOLUME, tiers=TIERS), reading(11))],
    "package": [
        used(PriceModel(model=ChargeModel.PACKAGE, unit_amount=Decimal(500), package_size=Decimal(100)), reading(201))
    ],
    "flat": [used(PriceModel(model=ChargeModel.FLAT, unit_amount=Decimal(1_000)), reading(1), period=STUB)],
    "percentage": [used(PERCENTAGE, reading(12, events=12, value=123_456))],
    "graduated percentage": [used(GRADUATED_PERCENTAGE, reading(9, events=9, value=250_001))],
    "dynamic": [used(PriceModel(model=ChargeModel.DYNAMIC), reading(9, events=9, value="777.5"))],
    "matrix": [
        used(
            MATRIX,
            reading(10, group=(("region", "eu"), ("size", "L"))),
            reading(5, group=(("region", "eu"), ("size", "S"))),
        )
    ],
    "capped": [used(GRADUATED, reading(10_000), cap=2_500)],
    "the rest of what was billed": [used(GRADUATED, reading(2_000), billed=billed_before(500))],
    "late": [used(GRADUATED, reading(2_000), billed=billed_before(500), late=True)],
    "less than was billed": [used(GRADUATED, reading(20), billed=billed_before(5_000, Fraction(9, 10)), late=True)],
    "nothing left of it": [used(GRADUATED, reading(0), billed=billed_before(5_000), late=True)],
    "most of it credited before": [
        used(GRADUATED, reading(20), billed=billed_before(5_000, Fraction(9, 10), 700), late=True)
    ],
    "commitment": [missing()],
    "commitment again": [missing(billed_before(500))],
    "commitment given back": [missing(billed_before(9_000))],
    "commitment credited before": [missing(billed_before(9_000, left=100))],
    "prepaid in part": paid_by_prepaid(100),
    "prepaid whole": paid_by_prepaid(100_000),
    "prepaid bought": bought(),
    "credit note": noted(),
}
