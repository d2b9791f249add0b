"""How long the law wants an invoice kept, by the country of its issuer. A default to be checked, not legal advice.

The years are counted from the end of the calendar year of issue, as most laws count them and the others do not mind.
"""

from datetime import date

YEARS_DEFAULT = 10
YEARS: dict[str, int] = {
    "AT": 7,  # § 132 BAO
    "BE": 10,  # WBTW art. 60, since 2023
    "CH": 10,  # OR art. 958f
    "DE": 8,  # § 147 AO, § 14b UStG, since 2025
    "ES": 6,  # Codigo de Comercio art. 30
    "FR": 10,  # Code de commerce art. L123-22
    "GB": 6,  # VAT Notice 700/21
    "IT": 10,  # Codice civile art. 2220
    "NL": 7,  # AWR art. 52
    "PL": 5,  # Ordynacja podatkowa art. 86
    "PT": 10,  # CIVA art. 52
    "US": 7,  # IRS: the longest of its periods
}
GROUND = "GDPR Art. 17(3)(b): a legal obligation to keep business records"


def years(country: str) -> int:
    return YEARS.get(country.upper(), YEARS_DEFAULT)


def retention_until(issued_on: date, *, country: str) -> date:
    """Return the first day on which a document of that day may be forgotten: a New Year's."""
    return date(issued_on.year + years(country) + 1, 1, 1)
