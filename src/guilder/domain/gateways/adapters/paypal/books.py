"""What PayPal's own books say of an account, and whether the account is set up rightly."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from guilder.domain.gateways.adapters.paypal import declines, mapping, webhooks
from guilder.domain.gateways.adapters.paypal.calls import Calls, NoAnswer, Reply
from guilder.domain.gateways.adapters.paypal.money import from_paypal
from guilder.domain.gateways.model import Finding, OutcomeKind, ProviderRecord, RecordPage, RequestKind
from guilder.domain.gateways.port import Credentials, CredentialsRefused
from guilder.kernel.money import Money
from guilder.platform.outside.intents import CallFailed

TRANSACTIONS = "/v1/reporting/transactions"
# PayPal's longest.
WINDOW = timedelta(days=31)
PAGE_SIZE = 100
PAGES_MAX = 10_000
_STATUSES = {
    "S": OutcomeKind.SUCCEEDED,
    "V": OutcomeKind.SUCCEEDED,  # given back since; that it was paid stays true
    "P": OutcomeKind.UNKNOWN,
    "D": OutcomeKind.DECLINED,
}
# Payments; refunds and reversals; chargebacks and their like.
_PAID, _GIVEN_BACK = "T00", ("T11", "T12")
_RIGHTS = {
    "take payments": ("/services/payments/", "/v1/payments/"),
    "give refunds": ("/services/payments/refund", "/v1/payments/"),
    "save payment methods": ("/services/vault/",),
    "read disputes": ("/services/disputes/read-seller",),
    "search transactions": ("/services/reporting/search/read",),
}


async def records(
    calls: Calls, credentials: Credentials, *, since: datetime, until: datetime, cursor: str
) -> RecordPage:
    """Read one page; `cursor` says which window of time and which page of it."""
    starts_at, page = _place(cursor, since)
    if starts_at >= until:
        return RecordPage(records=())
    ends_at = min(starts_at + WINDOW, until)
    query = {
        "start_date": _wire(starts_at),
        # PayPal's end is included, ours is not.
        "end_date": _wire(ends_at - timedelta(milliseconds=1)),
        "fields": "transaction_info",
        "balance_affecting_records_only": "N",
        "page_size": str(PAGE_SIZE),
        "page": str(page),
    }
    reply = await calls.send(credentials, "GET", TRANSACTIONS, query=query)
    listed, pages = _listed(reply)
    found = sorted((each for each in map(_record, listed) if each is not None), key=lambda each: each.at)
    if page < pages:
        following = f"{_wire(starts_at)}|{page + 1}"
    else:
        following = f"{_wire(ends_at)}|1" if ends_at < until else ""
    return RecordPage(records=tuple(each for each in found if since <= each.at < until), cursor=following)


async def check(calls: Calls, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
    """Say what is right and what is wrong: the client's secret, its app's rights, our webhook and its events."""
    try:
        scopes = await calls.scopes(credentials)
    except CredentialsRefused:
        advice = "copy the client id and secret of the app anew, and say whether it is the sandbox's or the live one"
        return [Finding(what="PayPal takes the client's id and secret", is_ok=False, advice=advice)]
    except NoAnswer as error:
        return [Finding(what="PayPal answers", is_ok=False, advice=f"try again later: {error}")]
    return [
        Finding(what="PayPal takes the client's id and secret", is_ok=True),
        *(_right(what, marks, scopes) for what, marks in _RIGHTS.items()),
        *(await _webhook(calls, credentials, webhook_url) if webhook_url else []),
    ]


def _right(what: str, marks: tuple[str, ...], scopes: frozenset[str]) -> Finding:
    is_ok = any(mark in scope for scope in scopes for mark in marks)
    advice = "" if is_ok else f"let the app {what}, in its features on PayPal's developer site"
    return Finding(what=f"the app may {what}", is_ok=is_ok, advice=advice)


async def _webhook(calls: Calls, credentials: Credentials, url: str) -> list[Finding]:
    listed = await calls.send(credentials, "GET", webhooks.WEBHOOKS)
    if not listed.is_ok:
        return [Finding(what="PayPal says which webhooks there are", is_ok=False, advice="try again later")]
    known = webhooks.find(listed, url)
    wanted = credentials.settings.get("webhook_id", "")
    is_ours = known is not None and known.get("id") == wanted
    lacking = webhooks.missing(known) if known is not None else []
    again = "connect the account again: that registers it"
    return [
        Finding(what="our webhook is registered", is_ok=known is not None, advice="" if known is not None else again),
        Finding(what="its id is the one that we verify by", is_ok=is_ours, advice="" if is_ours else again),
        Finding(what="it sends all events", is_ok=not lacking, advice=f"{again} for {', '.join(lacking)}"[:200])
        if lacking
        else Finding(what="it sends all events", is_ok=known is not None, advice="" if known is not None else again),
    ]


def _listed(reply: Reply) -> tuple[list[Any], int]:
    if reply.doubt is not None:
        raise CallFailed(reply.doubt.message, is_outage=reply.doubt.is_outage)
    if reply.status == 403:
        raise CredentialsRefused("the account's app may not search transactions at PayPal")
    listed, pages = reply.document.get("transaction_details"), reply.document.get("total_pages")
    if not reply.is_ok or not isinstance(listed, list) or type(pages) is not int or not 0 <= pages <= PAGES_MAX:
        raise CallFailed(f"a list that cannot be read: {declines.issue(reply.document)[:80]}", is_outage=False)
    return listed, pages


def _record(detail: object) -> ProviderRecord | None:
    """Read one transaction; None for what is neither a payment nor money given back."""
    info = detail.get("transaction_info") if isinstance(detail, Mapping) else None
    if not isinstance(info, Mapping):
        raise CallFailed("a transaction that cannot be read", is_outage=False)
    code, amount = (
        mapping.text(info, "transaction_event_code"),
        from_paypal(info.get("transaction_amount"), is_signed=True),
    )
    is_payment = code.startswith(_PAID) and amount is not None and amount.minor > 0
    if amount is None or amount.minor == 0 or not (is_payment or (code.startswith(_GIVEN_BACK) and amount.minor < 0)):
        return None
    fee, ref = from_paypal(info.get("fee_amount"), is_signed=True), mapping.text(info, "transaction_id")
    base, base_type = mapping.text(info, "paypal_reference_id"), mapping.text(info, "paypal_reference_id_type")
    return ProviderRecord(
        kind=RequestKind.CHARGE if is_payment else RequestKind.REFUND,
        # Not every payment names its order. Its own id stands in then: without any, all of them would be one.
        provider_ref=base if is_payment and base and base_type == "ODR" else ref,
        charge_ref=ref if is_payment else base,
        business_key=mapping.business_key(info.get("custom_field")),
        claim=mapping.claim(info.get("invoice_id")),
        status=_STATUSES.get(mapping.text(info, "transaction_status"), OutcomeKind.UNKNOWN),
        amount=Money(abs(amount.minor), amount.currency),
        at=_at(info.get("transaction_initiation_date")),
        # PayPal has what it took as less than nothing; what it gave back with a refund is less than nothing to us.
        fee=None if fee is None else Money(-fee.minor, fee.currency),
    )


def _at(said: object) -> datetime:
    try:
        return datetime.fromisoformat(said if isinstance(said, str) else "").astimezone(UTC)
    except ValueError as error:
        raise CallFailed("a transaction without a date", is_outage=False) from error


def _place(cursor: str, since: datetime) -> tuple[datetime, int]:
    at, _, page = cursor.partition("|")
    return (datetime.fromisoformat(at), int(page)) if cursor else (since, 1)


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
