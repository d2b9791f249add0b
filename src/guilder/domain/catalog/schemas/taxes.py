"""Tax rates on the wire."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import TaxRate
from guilder.domain.catalog.schemas.fields import Category, TaxRateRef
from guilder.platform.http.fields import CountryCode, Exact, In, Name, Out, Text


def _within_a_hundred(percent: Decimal) -> Decimal:
    if not 0 <= percent <= 100:
        raise PydanticCustomError("bad_percent", "should be from 0 to 100")
    return percent


class DefaultTaxRateIn(In):
    """The percentage on top of net prices, as text: "21" or "8.875"."""

    name: Name
    percent: Annotated[Exact, AfterValidator(_within_a_hundred)]
    country: CountryCode | None = None
    legal_note: Annotated[str, Text(500, min=0)] = ""


class TaxRateIn(DefaultTaxRateIn):
    """For what is sold to a country, a region of it, of a product category: as much of these as are said.

    It holds from `valid_from` up to, not including, `valid_until`. The default is for what no other rate fits.
    """

    region: Annotated[str, Text(200, min=0)] = ""
    category: Category = ""
    is_default: bool = False
    valid_from: date | None = None
    valid_until: date | None = None


class TaxRateOut(Out):
    id: TaxRateRef
    name: str
    percent: Exact
    country: str
    region: str
    category: str
    is_default: bool
    legal_note: str
    valid_from: date | None
    valid_until: date | None


def tax_rate_to_wire(rate: TaxRate) -> TaxRateOut:
    return TaxRateOut(**{name: getattr(rate, name) for name in TaxRateOut.model_fields})
