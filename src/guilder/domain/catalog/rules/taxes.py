"""Which tax rate is owed on what is sold where."""

from collections.abc import Sequence
from datetime import date

from guilder.domain.catalog.model import TaxRate


def rate_for(
    rates: Sequence[TaxRate], *, country: str, region: str = "", category: str = "", on: date
) -> TaxRate | None:
    """Return the rate that says most of those that hold on the day; the default where none fits, None without one.

    A region weighs more than a country, a country more than a category: what is sold to Bavaria is taxed as Bavaria
    says. Of two that say the same the newest counts.
    """
    holding = [rate for rate in rates if _holds(rate, on)]
    fitting = [rate for rate in holding if _says_something(rate) and _fits(rate, country, region, category)]
    if fitting:
        return max(fitting, key=_weight)
    return max((rate for rate in holding if rate.is_default), key=_weight, default=None)


def _holds(rate: TaxRate, on: date) -> bool:
    return (rate.valid_from is None or rate.valid_from <= on) and (rate.valid_until is None or on < rate.valid_until)


def _says_something(rate: TaxRate) -> bool:
    # The default's country says where it is from, not whom it is for.
    return not rate.is_default and bool(rate.country or rate.category)


def _fits(rate: TaxRate, country: str, region: str, category: str) -> bool:
    return (
        rate.country in ("", country)
        and (not rate.region or (rate.region == region and rate.country == country))
        and rate.category in ("", category)
    )


def _weight(rate: TaxRate) -> tuple[bool, bool, bool, date, int]:
    # The one that came into force last, and of these the one made last: ids are ordered by time.
    since = rate.valid_from or date.min
    return bool(rate.region), bool(rate.country), bool(rate.category), since, rate.id.int
