"""What an invoice's number looks like, and the seal on what it says."""

import hashlib
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from guilder.domain.identity.model import Address
from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line, Party

_NUMBER = "number"
# It stands once in what is sealed: within words, a quotation mark is written with a backslash before it.
_UNNUMBERED = f'"{_NUMBER}": null'
_PARTY, _ADDRESS = Party.__struct_fields__, Address.__struct_fields__
_party_of, _address_of = attrgetter(*_PARTY), attrgetter(*_ADDRESS)


class Content(NamedTuple):
    """Everything that is final about an invoice, as text: what stands before its number, and what stands behind it."""

    before: str
    after: str

    def sealed(self, number: str) -> str:
        """Return the SHA-256 of this content under a number."""
        return hashlib.sha256(f"{self.before}{_encode(number)}{self.after}".encode()).hexdigest()


def written(number_format: str, sequence: int, issued_on: date) -> str:
    """Write a number by its issuer's format: `INV-{year}-{number:05}` gives INV-2026-00042."""
    return number_format.format(year=issued_on.year, month=f"{issued_on.month:02}", number=sequence)


def file_name(number: str) -> str:
    """Write a number as a file may be called on any machine."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", number).strip("-") or "invoice"


def seal(invoice: Invoice, number: str) -> str:
    """Return the SHA-256 of everything that is final about an invoice; the same content gives the same seal."""
    return content(invoice).sealed(number)


def content(invoice: Invoice) -> Content:
    """Write down all that is sealed of an invoice but its number: that is known when others wait for the next one."""
    said = {
        "id": str(invoice.id),
        "tenant": str(invoice.tenant_id),
        "customer": str(invoice.customer_id),
        "currency": invoice.currency,
        "totals": [invoice.subtotal.minor, invoice.tax.minor, invoice.total.minor],
        "issued_at": _plain(invoice.issued_at),
        "issued_on": invoice.issued_on.isoformat(),
        "due_at": _plain(invoice.due_at),
        "seller": _party(invoice.seller) if invoice.seller else None,
        "buyer": _party(invoice.buyer) if invoice.buyer else None,
        "lines": [
            [
                line.number,
                line.kind,
                line.description,
                f"{line.quantity:f}",
                line.amount.minor,
                line.tax.minor,
                _percent(line.tax_percent),
                _instant(line.period.starts_at) if line.period else None,
                _instant(line.period.ends_at) if line.period else None,
                *_more_of(line),
            ]
            for line in invoice.lines
        ],
        "taxes": [[tax.name, _percent(tax.percent), tax.net.minor, tax.tax.minor] for tax in invoice.taxes],
        **_more(invoice),
    }
    before, _, after = _encode({**said, _NUMBER: None}).partition(_UNNUMBERED)
    return Content(f'{before}"{_NUMBER}": ', after)


def _party(party: Party) -> dict[str, object]:
    address = dict(zip(_ADDRESS, _address_of(party.address), strict=True))
    return dict(zip(_PARTY, _party_of(party), strict=True)) | {"address": address}


def _more(invoice: Invoice) -> dict[str, object]:
    """Return what invoices have that not every one has: only what is there is sealed, so that older seals stay good."""
    notes = [tax.legal_note for tax in invoice.taxes if tax.code != "standard"]
    more: dict[str, object] = {
        "kind": invoice.kind if invoice.kind is not InvoiceKind.INVOICE else None,
        "discount": invoice.discount.minor if invoice.discount else None,
        "corrects": invoice.corrects_invoice_id,
        "memo": invoice.memo,
        "is_sent": invoice.is_sent,
        "legal_notes": notes,
    }
    return {name: value for name, value in more.items() if value}


def _more_of(line: Line) -> list[object]:
    more: dict[str, object] = {
        "discount": line.discount.minor if line.discount else None,
        "credits": line.credits_line_id,
        "charge": line.charge,
        "tax_code": line.tax_code if line.tax_code not in ("standard", "none") else None,
    }
    return [{name: value for name, value in more.items() if value}] if any(more.values()) else []


def _instant(at: datetime) -> str:
    return _isoformat(at if at.tzinfo is UTC else at.astimezone(UTC))


# What lines of a batch have in common: the ends of a few periods, a few rates. (Of instants in UTC alone: in other zones two
# that are not the same hour are equal.)
_isoformat = lru_cache(1_024)(datetime.isoformat)


@lru_cache(256)
def _percent(percent: Decimal) -> str:
    return _plain(percent.normalize())


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return _instant(value)
    assert isinstance(value, UUID | date | Decimal), value
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


# Made once: an encoder for each seal would cost as much as the seal. Names stand in the order of the alphabet, so that what
# is the same is written the same.
_encode = json.JSONEncoder(sort_keys=True, default=_plain, check_circular=False).encode
