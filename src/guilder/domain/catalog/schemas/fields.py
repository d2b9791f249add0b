"""The types of fields that several of the catalog's nouns have."""

from typing import Annotated
from uuid import UUID

from guilder.kernel.money import Money
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Out, PositiveAmount, Shape, Text

PlanRef = Annotated[UUID, IdOf("plan")]
PriceRef = Annotated[UUID, IdOf("price")]
ProductRef = Annotated[UUID, IdOf("prod")]
MeterRef = Annotated[UUID, IdOf("mtr")]
PromoCodeRef = Annotated[UUID, IdOf("promo")]
TaxRateRef = Annotated[UUID, IdOf("txr")]

Description = Annotated[str, Text(2000, min=0)]
_CODE, _CODE_WORDS = r"[a-z0-9][a-z0-9_.-]{0,63}", "up to 64 small letters, digits and _ . -, a letter or digit first"
CatalogCode = Annotated[str, Shape(_CODE, _CODE_WORDS)]
Category = Annotated[str, Shape(f"({_CODE})?", f"nothing, or {_CODE_WORDS}")]
# A property of usage events, and a value of one.
Property = Annotated[
    str, Shape(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", "up to 64 letters, digits and _ . -, no . or - first")
]
PropertyValue = Annotated[str, Text(200, min=0)]


class AmountIn(In):
    amount: PositiveAmount
    currency: CurrencyCode

    def to_model(self) -> Money:
        return Money(self.amount, self.currency)


class AmountOut(Out):
    amount: int
    currency: str


def amount_to_wire(money: Money) -> AmountOut:
    return AmountOut(amount=money.minor, currency=money.currency)
