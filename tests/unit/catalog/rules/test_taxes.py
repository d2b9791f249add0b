"""Which rate is owed: a table of who says most."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from guilder.domain.catalog.model import TaxRate
from guilder.domain.catalog.rules.taxes import rate_for
from guilder.kernel.ids import TenantId

JANUARY, JUNE, JULY = date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1)


def a_rate(number, **said):
    said = {"name": f"rate {number}", "percent": Decimal(number), **said}
    return TaxRate(tenant_id=TenantId(UUID(int=1)), id=UUID(int=number), **said)


RATES = [
    a_rate(21, is_default=True, country="NL"),
    a_rate(19, country="DE"),
    a_rate(7, country="DE", category="books"),
    a_rate(20, country="DE", region="BY"),
    a_rate(5, category="books"),
    a_rate(17, country="LU", valid_until=JULY),
    a_rate(16, country="LU", valid_from=JULY),
]


@pytest.mark.parametrize(
    ("country", "region", "category", "on", "percent"),
    [
        ("NL", "", "", JUNE, 21),  # nothing else fits
        ("FR", "", "", JUNE, 21),
        ("NL", "", "books", JUNE, 5),  # the default's country does not make it the rate of that country
        ("DE", "", "", JUNE, 19),
        ("DE", "BE", "", JUNE, 19),
        ("DE", "", "books", JUNE, 7),
        ("DE", "", "music", JUNE, 19),
        ("DE", "BY", "", JUNE, 20),
        ("DE", "BY", "books", JUNE, 20),  # a region weighs more than a country and a category together
        ("FR", "BY", "", JUNE, 21),  # a region is of its own country only
        ("FR", "", "books", JUNE, 5),
        ("LU", "", "", JUNE, 17),
        ("LU", "", "", JULY, 16),
        ("", "", "", JUNE, 21),
    ],
)
def test_the_rate_that_says_most_is_owed(country, region, category, on, percent):
    for rates in (RATES, RATES[::-1]):
        found = rate_for(rates, country=country, region=region, category=category, on=on)
        assert found is not None
        assert found.percent == percent


def test_nothing_is_owed_where_no_rate_fits_and_there_is_no_default():
    assert rate_for(RATES[1:], country="NL", on=JUNE) is None
    assert rate_for([], country="NL", on=JUNE) is None


def test_a_default_that_has_ended_is_owed_no_more():
    ended = a_rate(21, is_default=True, valid_until=JULY)
    assert rate_for([ended], country="NL", on=JUNE) == ended
    assert rate_for([ended], country="NL", on=JULY) is None


def test_of_two_that_say_the_same_the_last_to_come_into_force_is_owed_then_the_last_made():
    old, new = a_rate(1, country="NL", valid_from=JUNE), a_rate(2, country="NL", valid_from=JANUARY)
    assert rate_for([old, new], country="NL", on=JULY) == old
    one, other = a_rate(3, country="NL"), a_rate(4, country="NL")
    assert rate_for([other, one], country="NL", on=JULY) == other
