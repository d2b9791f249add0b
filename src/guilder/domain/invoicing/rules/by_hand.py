"""Invoices that staff makes by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from guilder.domain.invoicing.model import LineKind, NewLine
from guilder.kernel.money import Money
from guilder.kernel.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is billed; the unit amount is net, or with its tax where it says so."""

    description: str
    unit_amount: Money
    quantity: Decimal = Decimal(1)
    tax_category: str = ""
    is_tax_inclusive: bool = False
    period: Period | None = None


def lines(items: Sequence[Item], *, cause: UUID) -> tuple[NewLine, ...]:
    """Price items: quantity times unit amount, rounded half-up once."""
    return tuple(_line(item, f"hand:{cause}:{number}") for number, item in enumerate(items, start=1))


def _line(item: Item, billed_item: str) -> NewLine:
    amount = item.unit_amount.times_half_up(item.quantity)
    return NewLine(
        kind=LineKind.CHARGE,
        description=item.description,
        amount=amount,
        quantity=item.quantity,
        unit_amount=item.unit_amount,
        period=item.period,
        tax_category=item.tax_category,
        is_tax_inclusive=item.is_tax_inclusive,
        billed_item=billed_item,
        explanation={
            "rule": "by_hand",
            "unit_amount": item.unit_amount.minor,
            "quantity": f"{item.quantity:f}",
            "amount": amount.minor,
            "sentence": f"{item.quantity:f} x {item.unit_amount} for {item.description} is {amount}.",
        },
    )
