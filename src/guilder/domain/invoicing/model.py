"""What is owed, line by line, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period


class Status(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class InvoiceKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"  # its amounts are negative; its numbers are a series of their own


class LineKind(StrEnum):
    RECURRING = "recurring"
    PRORATION_CREDIT = "proration_credit"
    PRORATION_CHARGE = "proration_charge"
    PRODUCT = "product"
    CHARGE = "charge"  # an amount that somebody named: /pay, a company product, staff
    USAGE = "usage"
    USAGE_ADJUSTMENT = "usage_adjustment"  # late or corrected use of a period that was billed
    COMMITMENT = "commitment"  # what is missing from the least that a period comes to
    PREPAID = "prepaid"  # use paid for by prepaid credits: negative
    CORRECTION = "correction"  # staff's credit note: negative


class Phrase(StrEnum):
    """What lines and notes are called in words of ours, which `rules/captions.py` has in each language."""

    UNUSED_TIME = "unused_time"
    REMAINING_TIME = "remaining_time"
    LATE_USE = "late_use"
    CORRECTED_USE = "corrected_use"
    LESS_USE = "less_use"
    MINIMUM_COMMITMENT = "minimum_commitment"
    PAID_BY_PREPAID = "paid_by_prepaid"
    PREPAID_CREDITS = "prepaid_credits"
    WITHHELD = "withheld"
    PAID_TOO_LATE = "paid_too_late"
    NOT_PAID_IN_TIME = "not_paid_in_time"


class Caption(Struct, frozen=True):
    """A phrase and the name that it is about, not written out yet: in which language is known with the buyer."""

    phrase: Phrase
    name: "str | Caption" = ""


class AppliedRate(Struct, frozen=True, kw_only=True):
    """A tax rate as a line was taxed with it: what a credit of that line is taxed with again."""

    name: str
    percent: Decimal
    legal_note: str = ""
    code: str = "standard"  # standard, reverse_charge, exempt, none


class NewLine(Struct, frozen=True, kw_only=True):
    """A line before discounts and tax. (subscription, charge, period start, cause) is billed once, ever: that is `billed_item`."""

    kind: LineKind
    description: str | Caption
    amount: Money  # before discounts; net of tax, or with it where `is_tax_inclusive`
    quantity: Decimal | int = 1
    unit_amount: Money | None = None
    period: Period | None = None
    subscription_id: UUID | None = None
    product_id: UUID | None = None
    plan_id: UUID | None = None  # what promo codes look at; None: the draft's
    charge: str = ""  # the code of the plan's charge, of use
    tax_category: str = ""
    is_tax_inclusive: bool = False
    is_discountable: bool = True
    taxed_as: AppliedRate | None = None  # what it credits was taxed so; None: by the rates of today
    tax: Money | None = None  # known already: the part of a tax that it gives back; `amount` is net then
    credits_line_id: UUID | None = None  # the line that it gives back a part of
    is_deferred: bool | None = None  # earned when its period is over; None: if it has a period that is not over
    billed_item: str  # "sub:<id>:fee:<period start ISO>", "order:<id>:<n>": unique in the tenant, freed by a void
    explanation: Mapping[str, object] = field(default_factory=dict)


class Draft(Struct, frozen=True, kw_only=True):
    """What `invoicing.finalize` is asked to make owed."""

    tenant_id: TenantId
    customer_id: CustomerId
    currency: str
    lines: tuple[NewLine, ...]
    issued_at: datetime  # when it fell due, not when the machine got to it
    subscription_id: UUID | None = None
    order_id: UUID | None = None
    payment_method_id: UUID | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    plan_id: UUID | None = None  # what promo codes look at
    issuer_id: UUID | None = None  # None: the tenant's default
    is_sent: bool = False  # sent with payment terms: nobody is charged
    net_days: int | None = None  # None: the issuer's, or the customer's
    corrects_invoice_id: UUID | None = None
    takes_discounts: bool = True
    takes_credit: bool = True  # customer credit pays it first
    memo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A promo code that was redeemed: what it takes off the invoices of a customer or of one subscription."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    subscription_id: UUID | None
    promo_code_id: UUID
    code: str
    name: str
    percent: Decimal | None
    amount: Money | None
    periods_left: int | None  # None: for ever
    plan_ids: tuple[UUID, ...]
    redeemed_at: datetime
    number: int  # in the order in which they are applied
    ended_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Customer credit: money owed to a customer, which pays its later invoices, oldest first."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    amount: Money
    left: Money
    granted_at: datetime
    reason: str
    source_invoice_id: UUID | None = None  # the credit note that it comes from

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidGrant:
    """Prepaid credits: money for use alone, drawn down by priority (the lowest first), then by expiry."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    amount: Money
    left: Money
    priority: int
    granted_at: datetime
    expires_at: datetime | None
    is_paid: bool  # bought, so that it is owed as service; a gift is not
    name: str = ""
    invoice_id: UUID | None = None  # that it was bought with
    ended_at: datetime | None = None  # expired, or taken back
    is_usable: bool = True  # not over, and paid for where it was bought

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


class Line(Struct, frozen=True, kw_only=True):
    id: UUID
    number: int
    kind: LineKind
    description: str
    quantity: Decimal
    unit_amount: Money | None
    amount: Money  # net: after discounts, before tax
    tax_percent: Decimal
    tax: Money
    period: Period | None
    subscription_id: UUID | None
    product_id: UUID | None
    explanation: Mapping[str, object]
    discount: Money | None = None  # what was taken off, net; None is nothing
    charge: str = ""
    credits_line_id: UUID | None = None
    billed_item: str = ""
    tax_code: str = "standard"


class TaxTotal(Struct, frozen=True, kw_only=True):
    """Tax is kept exact per line and rounded once per rate."""

    name: str
    percent: Decimal
    net: Money
    tax: Money
    legal_note: str = ""
    code: str = "standard"


class Party(Struct, frozen=True, kw_only=True):
    """The seller or the buyer as they were when the invoice became final."""

    name: str
    address: Address
    vat_id: str = ""
    email: str = ""
    registration: str = ""


def still_due(kind: InvoiceKind, total: Money, paid: Money, credited: Money, credit_applied: Money | None) -> int:
    """Return what is still to be paid, in minor units, never below zero."""
    if kind is InvoiceKind.CREDIT_NOTE:
        return 0
    owed = total.minor - paid.minor - credited.minor - (credit_applied.minor if credit_applied else 0)
    return max(owed, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How an invoice stands, without what it says: enough to tell what is owed, and what was paid with money."""

    kind: InvoiceKind
    total: Money
    paid: Money
    credited: Money
    credit_applied: Money
    is_sent: bool

    @property
    def due(self) -> Money:
        return Money(
            still_due(self.kind, self.total, self.paid, self.credited, self.credit_applied), self.total.currency
        )


class Invoice(Struct, frozen=True, kw_only=True):
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    number: str | None
    status: Status
    currency: str
    subtotal: Money
    tax: Money
    total: Money
    paid: Money
    credited: Money
    refunded: Money
    lines: tuple[Line, ...]
    taxes: tuple[TaxTotal, ...]
    seller: Party | None
    buyer: Party | None
    language: str
    time_zone: str
    issued_at: datetime
    issued_on: date
    due_at: datetime
    created_at: datetime
    subscription_id: UUID | None = None
    order_id: UUID | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    has_document: bool = False
    kind: InvoiceKind = InvoiceKind.INVOICE
    issuer_id: UUID | None = None
    discount: Money | None = None  # of all lines, net
    credit_applied: Money | None = None  # paid by customer credit
    is_sent: bool = False
    corrects_invoice_id: UUID | None = None
    memo: str = ""
    retention_until: date | None = None  # the first day on which the law does not want it kept any more
    is_forgotten: bool = False  # the law did not want it any more, and nobody knows whom it was for
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def due(self) -> Money:
        """What is still to be paid, never below zero: recomputed from what happened, never counted down."""
        return Money(self.due_minor, self.currency)

    @property
    def due_minor(self) -> int:
        return still_due(self.kind, self.total, self.paid, self.credited, self.credit_applied)

    @property
    def subscription_ids(self) -> tuple[UUID, ...]:
        """Every subscription that it bills: a shared invoice is of none alone."""
        named = {line.subscription_id for line in self.lines}
        named.add(self.subscription_id)
        return tuple(sorted(each for each in named if each is not None))


class Settled(Struct, frozen=True, kw_only=True):
    """Money that came in for an invoice, as invoicing is told of it."""

    tenant_id: TenantId
    invoice_id: UUID
    payment_id: UUID
    settled_at: datetime

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeUse:
    """What one charge, and group of readings, of a period that is not over comes to, before discounts and tax."""

    charge: str
    name: str
    meter: str
    group: tuple[tuple[str, str], ...]
    quantity: Decimal
    events: int
    amount: Money
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentUse:
    """Use since `period` began; `billed` is what of `amount` was billed before the period is over."""

    subscription_id: UUID
    period: Period
    uses: tuple[ChargeUse, ...]
    amount: Money
    billed: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedBill:
    """What a period comes to by now, and what it would come to if use went on on a straight line; before discounts and
    tax. What would be missing from a commitment is in neither of the uses, and in both sums."""

    current: CurrentUse
    fee: Money
    is_fee_billed: bool  # in advance
    missing: Money
    projected_uses: tuple[ChargeUse, ...]
    projected_use: Money
    projected_missing: Money

    @property
    def so_far(self) -> Money:
        return self.fee + self.current.amount

    @property
    def projected(self) -> Money:
        return self.fee + self.projected_use + self.projected_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Numbers of a series, `first` to `last`, that nothing will bear: they may be out since before a restore."""

    issuer_id: UUID
    kind: InvoiceKind
    first: int
    last: int
    restored_to: datetime
