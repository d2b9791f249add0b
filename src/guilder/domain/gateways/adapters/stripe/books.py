"""Stripe's books: charges and refunds that moved money, with what Stripe took for them.

Its lists run from the newest back, so they are read a slice of time at a time, each whole and turned round. A slice
that holds too many is read by halves. The cursor is where the next slice begins, in unix seconds.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import stripe

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.amounts import from_stripe_amount
from guilder.domain.gateways.adapters.stripe.finding import rows
from guilder.domain.gateways.adapters.stripe.mapping import Document, name, noted, text
from guilder.domain.gateways.adapters.stripe.sdk import Reply, ask
from guilder.domain.gateways.model import OutcomeKind, ProviderRecord, RecordPage, RequestKind
from guilder.kernel.money import Money
from guilder.platform.outside.intents import CallFailed

SLICE_S = 24 * 3600
PAGE = 100
PAGES_MAX = 10

_Page = Callable[[str], Awaitable[Reply]]


async def records(client: stripe.StripeClient, *, since: datetime, until: datetime, cursor: str) -> RecordPage:
    """Return a slice of the books, oldest first.

    :raises CallFailed: no answer, one that cannot be read, or more in one second than can be read
    """
    start, end = _cursor(cursor) if cursor else int(since.timestamp()), _ceiling(until)
    if start >= end:
        return RecordPage(records=())
    upto = min(start + SLICE_S, end)
    while (found := await _slice(client, start, upto)) is None:
        if upto - start <= 1:
            raise CallFailed("more was charged in a second than can be read")
        upto = start + (upto - start) // 2
    kept = [each for each in found if since <= each.at < until]
    return RecordPage(
        records=tuple(sorted(kept, key=lambda each: (each.at, each.kind, each.charge_ref))),
        cursor="" if upto >= end else str(upto),
    )


async def _slice(client: stripe.StripeClient, start: int, end: int) -> list[ProviderRecord] | None:
    async def charges(after: str) -> Reply:
        params: stripe.params.ChargeListParams = {
            "limit": PAGE,
            "created": {"gte": start, "lt": end},
            "expand": ["data.balance_transaction", "data.payment_intent"],
        }
        if after:
            params["starting_after"] = after
        return await ask(client.v1.charges.list_async(params))

    async def refunds(after: str) -> Reply:
        params: stripe.params.RefundListParams = {
            "limit": PAGE,
            "created": {"gte": start, "lt": end},
            "expand": ["data.balance_transaction"],
        }
        if after:
            params["starting_after"] = after
        return await ask(client.v1.refunds.list_async(params))

    charged = await _all(charges)
    given_back = None if charged is None else await _all(refunds)
    if charged is None or given_back is None:
        return None
    read = [from_charge(each) for each in charged] + [from_refund(each) for each in given_back]
    return [each for each in read if each is not None]


async def _all(page: _Page) -> list[Document] | None:
    """Read a list to its end; None: it has too many pages."""
    found: list[Document] = []
    after = ""
    for _ in range(PAGES_MAX):
        reply = await page(after)
        if reply.body is None or not isinstance(reply.body.get("data"), list):
            why = reply.doubt.message if reply.doubt else mapping.refused(reply.error or {}).message
            raise CallFailed(why or "a list that cannot be read", is_outage=bool(reply.doubt and reply.doubt.is_outage))
        listed = rows(reply)
        found += listed
        if not listed or not reply.body.get("has_more"):
            return found
        after = text(listed[-1], "id")
    return None


def from_charge(charge: Document) -> ProviderRecord | None:
    """Read a charge; None where no money moved, or moves."""
    status = {"succeeded": OutcomeKind.SUCCEEDED, "pending": OutcomeKind.UNKNOWN}.get(text(charge, "status"))
    is_taken = charge.get("captured") is True or status is OutcomeKind.UNKNOWN
    amount = from_stripe_amount(charge.get("amount_captured") or charge.get("amount"), charge.get("currency"))
    if status is None or not is_taken or amount is None:
        return None
    intent = charge.get("payment_intent")
    # An intent's metadata are copied to its charge when that is made; what was written into the intent later is not.
    inside: Document = intent if isinstance(intent, dict) else {}
    return ProviderRecord(
        kind=RequestKind.CHARGE,
        provider_ref=name(intent),
        charge_ref=text(charge, "id"),
        business_key=noted(charge, "business_key") or noted(inside, "business_key"),
        claim=noted(charge, "claim") or noted(inside, "claim"),
        status=status,
        amount=amount,
        at=_at(charge),
        fee=_fee(charge),
    )


def from_refund(refund: Document) -> ProviderRecord | None:
    words = {
        "succeeded": OutcomeKind.SUCCEEDED,
        "pending": OutcomeKind.UNKNOWN,
        "requires_action": OutcomeKind.UNKNOWN,
    }
    status = words.get(text(refund, "status"))
    amount = from_stripe_amount(refund.get("amount"), refund.get("currency"))
    if status is None or amount is None:
        return None
    return ProviderRecord(
        kind=RequestKind.REFUND,
        provider_ref=text(refund, "id"),
        charge_ref=name(refund.get("charge")),
        business_key=noted(refund, "business_key"),
        claim=noted(refund, "claim"),
        status=status,
        amount=amount,
        at=_at(refund),
        fee=_fee(refund),
    )


def _fee(found: Document) -> Money | None:
    """Return what Stripe took, in the currency of the account's balance, which need not be the charge's."""
    booked = found.get("balance_transaction")
    return from_stripe_amount(booked.get("fee"), booked.get("currency")) if isinstance(booked, dict) else None


def _at(found: Document) -> datetime:
    created = found.get("created")
    if type(created) is not int or not 0 < created < 2**35:
        raise CallFailed("a record without a time", is_outage=False)
    return datetime.fromtimestamp(created, UTC)


def _cursor(cursor: str) -> int:
    assert cursor.isascii(), cursor
    assert cursor.isdigit(), cursor
    return int(cursor)


def _ceiling(until: datetime) -> int:
    whole = int(until.timestamp())
    return whole if until.microsecond == 0 else whole + 1
