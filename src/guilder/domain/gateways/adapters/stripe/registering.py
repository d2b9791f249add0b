"""Our webhook address at Stripe, and whether an account there is set up rightly."""

from collections.abc import Awaitable, Callable

import stripe

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.finding import rows
from guilder.domain.gateways.adapters.stripe.mapping import Document
from guilder.domain.gateways.adapters.stripe.sdk import API_VERSION, Reply, RightMissing, ask
from guilder.domain.gateways.model import Finding, OutcomeKind, Registration
from guilder.domain.gateways.port import Credentials, CredentialsRefused
from guilder.platform.outside.intents import CallFailed

_DASHBOARD = "https://dashboard.stripe.com"

# What is looked at, as a person reads it behind a tick.
KEY = "Stripe takes the key"
CHARGES = "the account may charge"
RIGHTS = "the restricted key has the rights that are needed"
WEBHOOK = "our webhook is registered"
ENABLED = "it is switched on"
EVENTS_HEARD = "it hears all events"
ONCE = "it is registered once"


def endpoint(url: str) -> stripe.params.WebhookEndpointCreateParams:
    """What our address is to hear, in the version that we read."""
    return {
        "url": url,
        "description": "Guilder",
        "api_version": "2026-10-28.endive",
        "enabled_events": [
            "charge.dispute.closed",
            "charge.dispute.created",
            "charge.dispute.funds_reinstated",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.refunded",
            "charge.succeeded",
            "checkout.session.async_payment_failed",
            "checkout.session.async_payment_succeeded",
            "checkout.session.completed",
            "checkout.session.expired",
            "customer.subscription.deleted",
            "customer.subscription.updated",
            "invoice.paid",
            "invoice.payment_failed",
            "invoice.payment_succeeded",
            "payment_intent.canceled",
            "payment_intent.payment_failed",
            "payment_intent.processing",
            "payment_intent.requires_action",
            "payment_intent.succeeded",
            "payment_method.automatically_updated",
            "payment_method.detached",
            "payment_method.updated",
            "refund.created",
            "refund.failed",
            "refund.updated",
            "setup_intent.canceled",
            "setup_intent.requires_action",
            "setup_intent.setup_failed",
            "setup_intent.succeeded",
        ],
    }


EVENTS = frozenset(str(each) for each in endpoint("")["enabled_events"])
assert endpoint("")["api_version"] == API_VERSION


async def register(client: stripe.StripeClient, credentials: Credentials, *, url: str) -> Registration:
    """Leave one endpoint of this address whose secret we have.

    Stripe tells a secret once, when an endpoint is made. So the one that we made before is kept (we know it by its id),
    and any other of this address is replaced: the new one first, so that no event goes unheard.
    """
    account = await _account(client)
    listed = await ask(client.v1.webhook_endpoints.list_async({"limit": 100}))
    for reply in (account, listed):
        if reply.doubt is not None or reply.error is not None:
            return _failed(reply)
    settings = {"mode": "live" if "_live_" in credentials.secret_key[:9] else "test"}
    name = mapping.text(account.body or {}, "id")
    ours = [each for each in rows(listed) if each.get("url") == url]
    known = next((each for each in ours if _is_ours(each, credentials)), None)
    if known is not None:
        updated = await ask(
            client.v1.webhook_endpoints.update_async(
                mapping.text(known, "id"), {"enabled_events": endpoint(url)["enabled_events"], "disabled": False}
            )
        )
        if updated.body is None:
            return _failed(updated)
        settings["webhook_id"] = mapping.text(known, "id")
        return Registration(kind=OutcomeKind.SUCCEEDED, provider_account=name, settings=settings)
    made = await ask(client.v1.webhook_endpoints.create_async(endpoint(url)))
    secret, made_id = mapping.text(made.body or {}, "secret"), mapping.text(made.body or {}, "id")
    if made.body is None or not secret or not made_id:
        return _failed(made)
    for old in ours:
        gone = await ask(client.v1.webhook_endpoints.delete_async(mapping.text(old, "id")))
        if gone.doubt is not None:
            return _failed(gone)
    settings["webhook_id"] = made_id
    return Registration(kind=OutcomeKind.SUCCEEDED, endpoint_secret=secret, provider_account=name, settings=settings)


async def _account(client: stripe.StripeClient) -> Reply:
    """Read whose key this is; a restricted one may not be allowed to say, and does all the rest all the same."""
    try:
        return await ask(client.v1.accounts.retrieve_current_async())
    except RightMissing:
        return Reply()


async def check(client: stripe.StripeClient, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
    """Say what is right and wrong with the key, the account and our webhook there, and what to do about it."""
    try:
        account = await _account(client)
    except CredentialsRefused:
        advice = f"Stripe does not take this key. Make a new one at {_DASHBOARD}/apikeys and connect it."
        return [Finding(what=KEY, is_ok=False, advice=advice)]
    if account.doubt is not None or account.error is not None:
        return [Finding(what=KEY, is_ok=False, advice=f"Stripe could not be asked: {_why(account)}. Try again.")]
    is_live = "_live_" in credentials.secret_key[:9]
    mode = "this key moves money" if is_live else "this is a test key: nobody is charged"
    found = [Finding(what=KEY, is_ok=True), Finding(what=mode, is_ok=True)]
    if account.body is None:
        found.append(Finding(what=CHARGES, is_ok=True, advice="This key may not see whether the account may charge."))
    elif account.body.get("charges_enabled") is True:
        found.append(Finding(what=CHARGES, is_ok=True))
    else:
        advice = f"Stripe lets this account charge nobody yet. Finish its set-up at {_DASHBOARD}/account."
        found.append(Finding(what=CHARGES, is_ok=not is_live, advice=advice))
    if credentials.secret_key.startswith("rk_"):
        found.append(await _rights(client))
    return [*found, *(await _check_webhook(client, credentials, webhook_url) if webhook_url else [])]


async def _rights(client: stripe.StripeClient) -> Finding:
    """Find what a restricted key may not even read. Whether it may write is known only by writing."""
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "Customers": lambda: client.v1.customers.list_async({"limit": 1}),
        "PaymentIntents": lambda: client.v1.payment_intents.list_async({"limit": 1}),
        "SetupIntents": lambda: client.v1.setup_intents.list_async({"limit": 1}),
        "Checkout Sessions": lambda: client.v1.checkout.sessions.list_async({"limit": 1}),
        "Charges and Refunds": lambda: client.v1.refunds.list_async({"limit": 1}),
        "Webhook Endpoints": lambda: client.v1.webhook_endpoints.list_async({"limit": 1}),
    }
    lacking = []
    for name, read in reads.items():
        try:
            await ask(read())
        except RightMissing:
            lacking.append(name)
    advice = f"This restricted key lacks {', '.join(lacking)}. Give it the right to write them at {_DASHBOARD}/apikeys."
    return Finding(what=RIGHTS, is_ok=not lacking, advice=advice if lacking else "")


async def send_test_notice(client: stripe.StripeClient) -> bool:
    """Make something that is about nobody, and cancel it: Stripe tells of that like of anything else.

    :raises CallFailed: no answer
    """
    made = await ask(client.v1.setup_intents.create_async({"description": "Guilder: a test of its webhook"}))
    ref = mapping.text(made.body or {}, "id")
    closed = await ask(client.v1.setup_intents.cancel_async(ref)) if ref else made
    if closed.body is None:
        raise CallFailed(_why(closed), is_outage=closed.doubt is not None)
    return True


async def _check_webhook(client: stripe.StripeClient, credentials: Credentials, url: str) -> list[Finding]:
    try:
        listed = await ask(client.v1.webhook_endpoints.list_async({"limit": 100}))
    except CredentialsRefused:
        advice = "This key may not see webhook endpoints. Give it the right to write Webhook Endpoints."
        return [Finding(what=WEBHOOK, is_ok=False, advice=advice)]
    if listed.body is None:
        return [Finding(what=WEBHOOK, is_ok=False, advice=f"Stripe could not be asked: {_why(listed)}. Try again.")]
    ours = [each for each in rows(listed) if each.get("url") == url]
    if not ours:
        return [Finding(what=WEBHOOK, is_ok=False, advice=f"Stripe does not know {url}. Connect the account again.")]
    webhook_id, note = credentials.settings.get("webhook_id", ""), ""
    if not webhook_id:
        webhook_id = mapping.text(ours[0], "id")
        note = "We did not make this endpoint: its signing secret must be the one that we were given."
    known = next((each for each in ours if each.get("id") == webhook_id), None)
    if known is None:
        advice = f"{url} is known at Stripe by an endpoint that we did not make. Connect the account again."
        return [Finding(what=WEBHOOK, is_ok=False, advice=advice)]
    return [
        Finding(what=WEBHOOK, is_ok=True, advice=note),
        _enabled(known),
        _hears(known),
        _only(ours),
    ]


def _enabled(known: Document) -> Finding:
    is_ok = known.get("status") == "enabled"
    advice = f"The endpoint is switched off. Switch it on at {_DASHBOARD}/webhooks, or connect the account again."
    return Finding(what=ENABLED, is_ok=is_ok, advice="" if is_ok else advice)


def _hears(known: Document) -> Finding:
    heard = known.get("enabled_events")
    said = {each for each in heard if isinstance(each, str)} if isinstance(heard, list) else set()
    missing = [] if "*" in said else sorted(EVENTS - said)
    advice = f"The endpoint does not hear {', '.join(missing)}. Connect the account again."
    return Finding(what=EVENTS_HEARD, is_ok=not missing, advice=advice if missing else "")


def _only(ours: list[Document]) -> Finding:
    is_ok = len(ours) == 1
    advice = f"Stripe knows our address {len(ours)} times. Remove all but the newest at {_DASHBOARD}/webhooks."
    return Finding(what=ONCE, is_ok=is_ok, advice="" if is_ok else advice)


def _is_ours(found: Document, credentials: Credentials) -> bool:
    """Say whether we have its secret, and it speaks the version that we read: that cannot be changed later."""
    webhook_id = credentials.settings.get("webhook_id", "")
    return bool(webhook_id) and found.get("id") == webhook_id and found.get("api_version") == API_VERSION


def _failed(reply: Reply) -> Registration:
    if reply.doubt is not None:
        return Registration(kind=OutcomeKind.UNKNOWN, message=_why(reply), is_outage=reply.doubt.is_outage)
    return Registration(kind=OutcomeKind.DECLINED, message=_why(reply))


def _why(reply: Reply) -> str:
    if reply.doubt is not None:
        return reply.doubt.message
    return mapping.refused(reply.error or {}).message or "an answer that cannot be read"
