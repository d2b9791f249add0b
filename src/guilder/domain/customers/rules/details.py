"""A customer's details: trimmed, within limits, and in words that others understand."""

import re

from guilder.domain.customers.model import Customer, CustomerChanges
from guilder.domain.identity.rules.zones import checked_zone
from guilder.kernel.errors import Invalid
from guilder.kernel.noun import replace

NAME_MAX = 200
EMAIL_MAX = 254
ORGANIZATION_ID_MAX = 255
PHONE_MAX = 40
VAT_ID_MAX = 40
METADATA_MAX = 50
REASON_MAX = 200
NET_DAYS_MAX = 365
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ORGANIZATION_ID = re.compile(r"[!-.0-~]+")  # what can stand in a path unescaped by the slash: printable, no "/"


class BadDetail(Invalid):
    """A customer's detail is missing, too long, or not of its form."""

    code = "bad_customer_detail"


def checked(customer: Customer) -> Customer:
    """Return the customer with its texts trimmed.

    :raises BadDetail: a detail is missing, too long, or not of its form; names it
    :raises UnknownTimeZone: no such zone
    """
    trimmed = replace(
        customer,
        name=customer.name.strip(),
        email=customer.email.strip(),
        phone=customer.phone.strip(),
        vat_id=customer.vat_id.strip(),
        time_zone=checked_zone(customer.time_zone),
        tax_exempt_reason=customer.tax_exempt_reason.strip(),
    )
    _need(1 <= len(trimmed.name) <= NAME_MAX, "name", f"should have 1 to {NAME_MAX} characters")
    _need(_is_email(trimmed.email), "email", "should be an e-mail address")
    _need(len(trimmed.phone) <= PHONE_MAX, "phone", f"should have at most {PHONE_MAX} characters")
    _need(len(trimmed.vat_id) <= VAT_ID_MAX, "vat_id", f"should have at most {VAT_ID_MAX} characters")
    _need(_LANGUAGE.fullmatch(trimmed.language), "language", "should be a language tag such as de or pt-BR")
    _need(
        _is_organization_id(trimmed.organization_id),
        "organization_id",
        "should be printable, without spaces or slashes",
    )
    _need(
        len(trimmed.tax_exempt_reason) <= REASON_MAX,
        "tax_exempt_reason",
        f"should have at most {REASON_MAX} characters",
    )
    _need(0 <= (trimmed.net_days or 0) <= NET_DAYS_MAX, "net_days", f"should be from 0 to {NET_DAYS_MAX}")
    _need(len(trimmed.metadata) <= METADATA_MAX, "metadata", f"should have at most {METADATA_MAX} keys")
    return trimmed


def changed_by(customer: Customer, changes: CustomerChanges) -> tuple[Customer, tuple[str, ...]]:
    """Return the customer after the changes, and the names of the fields that are different."""
    given = changes.given
    after = checked(replace(customer, **given))
    return after, tuple(name for name in given if getattr(customer, name) != getattr(after, name))


def _is_email(text: str) -> bool:
    # A customer may be made before its address is known; it gets no mail then.
    return not text or (len(text) <= EMAIL_MAX and _EMAIL.fullmatch(text) is not None)


def _is_organization_id(text: str) -> bool:
    return len(text) <= ORGANIZATION_ID_MAX and _ORGANIZATION_ID.fullmatch(text) is not None


def _need(holds: object, field: str, detail: str) -> None:
    if not holds:
        raise BadDetail(f"{field} {detail}", field=field)
