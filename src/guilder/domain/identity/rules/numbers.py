"""How invoice numbers may look: `INV-{year}-{number:05}`."""

import re

from guilder.kernel.errors import Invalid

FORMAT_MAX = 60
_FORMAT = re.compile(r"(?:[A-Za-z0-9 ./_#-]|\{year\}|\{month\}|\{number(?::0[1-9])?\})+")


class BadNumberFormat(Invalid):
    """Letters, digits and `- . / _ #` with {number} or {number:05} once, and {year} and {month} where wanted."""

    code = "bad_number_format"


def checked_format(text: str) -> str:
    # Numbers run on over the years, so {number} alone is what makes them different.
    if len(text) > FORMAT_MAX or not _FORMAT.fullmatch(text) or text.count("{number") != 1:
        raise BadNumberFormat(field="number_format")
    return text
