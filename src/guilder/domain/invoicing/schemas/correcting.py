"""What HTTP hears of invoices made by hand and of credit notes."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.invoicing import service
from guilder.domain.invoicing.rules.by_hand import Item
from guilder.domain.invoicing.schemas.invoices import CustomerName, IssuerRef, LineRef
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import Money
from guilder.kernel.period import Period
from guilder.platform.http.fields import (
    CurrencyCode,
    Exact,
    In,
    Instant,
    Metadata,
    PositiveAmount,
    Text,
)

# Together they keep the largest total within 64 bits.
LINES_MAX = 200
AMOUNT_MAX = 10**10
QUANTITY_MAX = Decimal(1_000_000)


class PeriodIsEmpty(Invalid):
    """A period should end after it starts."""

    code = "period_is_empty"


class CollectBy(StrEnum):
    """Charged at once, by saved method or link, or sent with days to pay."""

    CHARGE = "charge"
    SEND = "send"


class PeriodIn(In):
    starts_at: Instant
    ends_at: Instant

    def from_wire(self) -> Period:
        if self.starts_at >= self.ends_at:
            raise PeriodIsEmpty(field="period")
        return Period(self.starts_at, self.ends_at)


class ItemIn(In):
    description: Annotated[str, Text(500)]
    unit_amount: Annotated[int, Field(ge=0, le=AMOUNT_MAX)]
    quantity: Annotated[Exact, Field(gt=0, le=QUANTITY_MAX)] = Decimal(1)
    tax_category: Annotated[str, Text(60, min=0)] = ""
    is_tax_inclusive: bool = False
    period: PeriodIn | None = None

    def from_wire(self, currency: str) -> Item:
        return Item(
            description=self.description,
            unit_amount=Money(self.unit_amount, currency),
            quantity=self.quantity,
            tax_category=self.tax_category,
            is_tax_inclusive=self.is_tax_inclusive,
            period=self.period.from_wire() if self.period else None,
        )


class InvoiceIn(In):
    """A one-off invoice. `net_days` says how long the customer has to pay what is sent; by default, its own terms."""

    customer_id: CustomerName
    currency: CurrencyCode
    lines: Annotated[list[ItemIn], Field(min_length=1, max_length=LINES_MAX)]
    collection: CollectBy = CollectBy.SEND
    net_days: Annotated[int, Field(ge=0, le=365)] | None = None
    issuer_id: IssuerRef | None = None
    memo: Annotated[str, Text(2_000, min=0)] = ""
    metadata: Metadata = {}

    def from_wire(self, customer_id: CustomerId) -> service.ByHand:
        return service.ByHand(
            customer_id=customer_id,
            currency=self.currency,
            items=[line.from_wire(self.currency) for line in self.lines],
            is_sent=self.collection is CollectBy.SEND,
            net_days=self.net_days,
            issuer_id=self.issuer_id,
            memo=self.memo,
            metadata=self.metadata,
        )


class CreditedLineIn(In):
    line_id: LineRef
    amount: Annotated[PositiveAmount | None, Field(description="Net; by default, all that is left of the line.")] = None


class CreditNoteIn(In):
    """What is given back: of some lines, an amount with its tax, or, with neither, all that is left.

    `refund` says what becomes of money that came in: `credit` for later invoices, a `refund` of the payment, or `none`
    where a refund gave it back before and this is its document.
    """

    reason: Annotated[str, Text(500)]
    lines: Annotated[list[CreditedLineIn], Field(max_length=LINES_MAX)] = []
    amount: PositiveAmount | None = None
    refund: service.GiveBack = service.GiveBack.CREDIT

    def from_wire(self) -> service.Correction:
        lines: list[tuple[UUID, int | None]] = [(line.line_id, line.amount) for line in self.lines]
        return service.Correction(
            reason=self.reason, lines=tuple(lines), amount_minor=self.amount, give_back=self.refund
        )
