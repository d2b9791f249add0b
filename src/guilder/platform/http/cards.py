"""Card numbers never enter: text that looks like one is refused wherever it stands, and is never logged.

Looks like one: 13 to 19 digits, perhaps in groups with spaces or dashes, that begin as a card network's do and whose
check digit is right. An id or a reference may be as long; one in some hundreds of those would be refused by chance,
so digits that stand inside a word (`ch_4111…`) are left alone.
"""

import re

_RUN = re.compile(r"(?<![0-9A-Za-z_])(?:[0-9][ \-\u00a0]?){12,18}[0-9](?![0-9A-Za-z_])")
_NOT_DIGIT = re.compile(r"[^0-9]")
# A UUID of digits alone is possible; its groups are not a card's.
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

# First digits and lengths, as the networks publish them.
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[68]\d)\d{11,16}"  # Diners
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}"  # Maestro
)


def looks_like_card(text: str) -> bool:
    if len(text) < 13:
        return False
    return any(_is_card(_NOT_DIGIT.sub("", run)) for run in _RUN.findall(_UUID.sub(" ", text)))


def _is_card(digits: str) -> bool:
    return _NETWORKS.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
