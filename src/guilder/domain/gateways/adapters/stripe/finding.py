"""Finding what was made before by its business key alone, when an answer was lost before its id was stored.

Stripe's search sees a new object after up to a minute (an hour on a bad day; in India there is none), so a miss there
says nothing, and the plain list is read then: it is current, but it cannot be asked for metadata, so it is read back to
the time of the request. And a miss in both is never taken for a no: the protocol prepares again under the same idempotency key, which for a day returns the
object that was made; after that the list has long had it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import stripe

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.mapping import Document
from guilder.domain.gateways.adapters.stripe.sdk import Reply, ask
from guilder.domain.gateways.model import GatewayRequest
from guilder.domain.gateways.port import Credentials

PAGE = 100
PAGES_MAX = 10
# Their clocks and ours, and the time between asking and calling.
MARGIN = timedelta(hours=1)


async def intent(client: stripe.StripeClient, credentials: Credentials, request: GatewayRequest) -> Reply | None:
    """Find a charge's PaymentIntent; None where there is none."""
    said = request.business_key.replace("\\", "\\\\").replace("'", "\\'")
    reply = await ask(
        client.v1.payment_intents.search_async(
            {"query": f"metadata['business_key']:'{said}'", "limit": 10, "expand": ["data.latest_charge"]}
        )
    )
    found = _first(reply, request)
    if found is not None or reply.doubt is not None:
        return found or reply

    async def page(after: str) -> Reply:
        params: stripe.params.PaymentIntentListParams = {"limit": PAGE, "expand": ["data.latest_charge"]}
        if payer := payer_of(request):
            params["customer"] = payer
        if since := asked_since(credentials, request):
            params["created"] = {"gte": since}
        if after:
            params["starting_after"] = after
        return await ask(client.v1.payment_intents.list_async(params))

    return await _through(page, request)


async def session(client: stripe.StripeClient, credentials: Credentials, request: GatewayRequest) -> Reply | None:
    """Find a Checkout Session: there is no search for them."""
    inside = "setup_intent.payment_method" if request.amount is None else "payment_intent.latest_charge"

    async def page(after: str) -> Reply:
        params: stripe.params.checkout.SessionListParams = {"limit": PAGE, "expand": [f"data.{inside}"]}
        if payer := payer_of(request):
            params["customer"] = payer
        if since := asked_since(credentials, request):
            params["created"] = {"gte": since}
        if after:
            params["starting_after"] = after
        return await ask(client.v1.checkout.sessions.list_async(params))

    return await _through(page, request)


async def setup(client: stripe.StripeClient, credentials: Credentials, request: GatewayRequest) -> Reply | None:
    async def page(after: str) -> Reply:
        params: stripe.params.SetupIntentListParams = {"limit": PAGE, "expand": ["data.payment_method"]}
        if payer := payer_of(request):
            params["customer"] = payer
        if since := asked_since(credentials, request):
            params["created"] = {"gte": since}
        if after:
            params["starting_after"] = after
        return await ask(client.v1.setup_intents.list_async(params))

    return await _through(page, request)


async def refund(client: stripe.StripeClient, intent_ref: str, request: GatewayRequest) -> Reply | None:
    """Find a refund among those of its charge's intent: they are few."""

    async def page(after: str) -> Reply:
        params: stripe.params.RefundListParams = {"limit": PAGE, "payment_intent": intent_ref}
        if after:
            params["starting_after"] = after
        return await ask(client.v1.refunds.list_async(params))

    return await _through(page, request)


def payer_of(request: GatewayRequest) -> str:
    return mapping.split(request.method_token)[0] or request.payer_ref


def asked_since(credentials: Credentials, request: GatewayRequest) -> int | None:
    """Return the time before which it cannot have been made: its id is dated. A sandbox's date is not Stripe's."""
    if credentials.now is not None:
        return None
    return int((datetime.fromtimestamp((request.id.int >> 80) / 1000, UTC) - MARGIN).timestamp())


async def _through(page: Callable[[str], Awaitable[Reply]], request: GatewayRequest) -> Reply | None:
    """Read a list from its newest to its end. One that does not end leaves it unknown: nothing is made on a guess."""
    after = ""
    for _ in range(PAGES_MAX):
        reply = await page(after)
        if reply.doubt is not None or reply.is_missing:
            return None if reply.is_missing else reply
        found = _first(reply, request)
        if found is not None:
            return found
        listed = rows(reply)
        if not listed or not (reply.body or {}).get("has_more"):
            return None
        after = mapping.text(listed[-1], "id")
    return Reply(doubt=mapping.unknown("too many objects to look through", is_outage=False))


def _first(reply: Reply, request: GatewayRequest) -> Reply | None:
    """Return what bears the business key: the oldest, if there were two; or the doubt about a list that is none."""
    if reply.body is None:
        return None
    if not isinstance(reply.body.get("data"), list):
        return Reply(doubt=mapping.unknown("a list that cannot be read", is_outage=False))
    fitting = [each for each in rows(reply) if mapping.noted(each, "business_key") == request.business_key]
    return Reply(body=fitting[-1]) if fitting else None


def rows(reply: Reply) -> list[Document]:
    listed = (reply.body or {}).get("data")
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
