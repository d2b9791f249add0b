"""The payment page, written: one template, one state at a time, no script."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from guilder.domain.invoicing.model import Invoice, Line, TaxTotal
from guilder.domain.orders.model import Checkout
from guilder.domain.orders.rules import wording
from guilder.domain.orders.rules.checkout import PAYABLE, REFRESHED, State
from guilder.domain.payments.model import Transfer
from guilder.platform.http.shield import page_headers
from guilder.platform.words import FALLBACK, Speech, language_of, tag_of

REFRESH_S = 2
HUNDRED = 100
_TONES = {State.PAID: "good", State.DECLINED: "bad", State.EXPIRED: "bad"}

_pages = Environment(
    loader=PackageLoader("guilder.domain.orders"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Where the page goes by itself, and after how long."""

    url: str
    seconds: int = REFRESH_S


def page(
    checkout: Checkout, state: State, *, path: str, refresh: Refresh | None = None, status_code: int = 200
) -> HTMLResponse:
    """Show an invoice and how its payment stands. `path` is the page's own."""
    language = language_of(checkout.invoice.language)
    heading, said = wording.SAID[language][state]
    labels, speech = wording.LABELS[language], Speech(tag_of(checkout.invoice.language))
    button = labels["again"] if state is State.DECLINED else labels["pay"]
    return _html(
        language,
        heading=heading,
        said=said,
        tone=_TONES.get(state, "calm"),
        seller=checkout.invoice.seller.name if checkout.invoice.seller else "",
        is_test=checkout.is_test,
        invoice=_shown(checkout.invoice, speech, is_owed=state not in {State.PAID, State.VOID}),
        button=button if state in PAYABLE else None,
        transfer=_transfer(checkout.transfer, speech) if state is State.TRANSFER else None,
        pay_url=f"{path}/pay",
        refresh=refresh or (Refresh(path) if state in REFRESHED else None),
        status_code=status_code,
    )


def notice(
    key: str, *, status_code: int, language: str = FALLBACK, tone: Literal["good", "calm", "bad"] = "bad"
) -> HTMLResponse:
    """Say something of which no invoice can be shown: `unknown` or `busy`, `saved` or `not_saved`."""
    labels = wording.LABELS[language]
    return _html(
        language,
        heading=labels[key],
        said=labels[f"{key}_said"],
        tone=tone,
        seller="",
        is_test=False,
        invoice=None,
        button=None,
        transfer=None,
        pay_url="",
        refresh=None,
        status_code=status_code,
    )


def _html(language: str, *, status_code: int, **data: Any) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    text = _pages.get_template("checkout.html").render(
        language=language, labels=wording.LABELS[language], nonce=nonce, **data
    )
    # The form's answer leads on to the provider's page, wherever that is; browsers count that as the form's target.
    headers = page_headers(nonce=nonce, form="https: http:")
    # The address is the authority to see this: it goes to nobody else.
    headers |= {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
    return HTMLResponse(text, status_code=status_code, headers=headers)


def _shown(invoice: Invoice, speech: Speech, *, is_owed: bool) -> dict[str, Any]:
    zone = ZoneInfo(invoice.time_zone)
    return {
        "number": invoice.number,
        "date": speech.day(invoice.issued_on),
        "lines": [_line(line, speech, zone) for line in invoice.lines],
        "subtotal": speech.money(invoice.subtotal),
        "taxes": [_tax(tax, speech) for tax in invoice.taxes],
        "total": speech.money(invoice.total),
        "due": speech.money(invoice.due) if is_owed and invoice.due != invoice.total else None,
    }


def _tax(tax: TaxTotal, speech: Speech) -> dict[str, str]:
    rate = f" {speech.percent(tax.percent / HUNDRED)}" if tax.percent else ""
    return {"name": f"{tax.name}{rate}", "amount": speech.money(tax.tax)}


def _transfer(transfer: Transfer | None, speech: Speech) -> dict[str, str] | None:
    if transfer is None:
        return None
    return {
        "amount": speech.money(transfer.amount),
        "reference": transfer.reference,
        "instructions": transfer.instructions,
    }


def _line(line: Line, speech: Speech, zone: ZoneInfo) -> dict[str, Any]:
    period = None
    if line.period:
        first, after = (at.astimezone(zone).date() for at in (line.period.starts_at, line.period.ends_at))
        # As on the invoice: the day on which the next period begins is the next one's.
        period = speech.days(first, max(first, after - timedelta(days=1)))
    return {
        "description": line.description,
        "amount": speech.money(line.amount),
        "times": _times(line, speech),
        "period": period,
    }


def _times(line: Line, speech: Speech) -> str | None:
    """Say how many of what price a line is, where it is of several and no more than that: not of tiers, or of a part."""
    if line.unit_amount is None or line.quantity == 1 or line.unit_amount.minor * line.quantity != line.amount.minor:
        return None
    return f"{speech.number(line.quantity)} × {speech.money(line.unit_amount)}"
