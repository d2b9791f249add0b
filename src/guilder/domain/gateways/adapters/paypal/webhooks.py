"""Our webhook address at PayPal: one registration an address, for the events that we read."""

from collections.abc import Mapping

from guilder.domain.gateways.adapters.paypal import declines, mapping
from guilder.domain.gateways.adapters.paypal.calls import Calls, Reply
from guilder.domain.gateways.model import OutcomeKind, Registration
from guilder.domain.gateways.port import Credentials, CredentialsRefused

WEBHOOKS = "/v1/notifications/webhooks"
EVENTS = (
    "CHECKOUT.ORDER.APPROVED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.RESOLVED",
    "CUSTOMER.DISPUTE.UPDATED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "VAULT.PAYMENT-TOKEN.CREATED",
    "VAULT.PAYMENT-TOKEN.DELETED",
)


async def register(calls: Calls, credentials: Credentials, *, url: str) -> Registration:
    """Create the registration, or give the one that is there the events that it lacks."""
    listed = await calls.send(credentials, "GET", WEBHOOKS)
    if not listed.is_ok:
        return _not_registered(listed)
    known = find(listed, url)
    events = [{"name": name} for name in EVENTS]
    if known is None:
        made = await calls.send(credentials, "POST", WEBHOOKS, body={"url": url, "event_types": events})
    elif missing(known):
        change = [{"op": "replace", "path": "/event_types", "value": events}]
        made = await calls.send(credentials, "PATCH", f"{WEBHOOKS}/{mapping.text(known, 'id')}", body=change)
    else:
        made = Reply(200, known)
    webhook_id = mapping.text(made.document, "id")
    if not made.is_ok or not webhook_id:
        return _not_registered(made)
    return Registration(kind=OutcomeKind.SUCCEEDED, settings={"webhook_id": webhook_id})


def find(listed: Reply, url: str) -> Mapping[str, object] | None:
    hooks = listed.document.get("webhooks")
    known = hooks if isinstance(hooks, list) else []
    return next((each for each in known if isinstance(each, Mapping) and each.get("url") == url), None)


def missing(webhook: Mapping[str, object]) -> list[str]:
    """Return the events that this registration does not send us."""
    types = webhook.get("event_types")
    names = (
        {mapping.text(each, "name") for each in types if isinstance(each, Mapping)}
        if isinstance(types, list)
        else set()
    )
    return [] if "*" in names else [name for name in EVENTS if name not in names]


def _not_registered(reply: Reply) -> Registration:
    if reply.doubt is not None:
        doubt = reply.doubt
        return Registration(kind=OutcomeKind.UNKNOWN, message=doubt.message, is_outage=doubt.is_outage)
    if reply.status == 403:
        raise CredentialsRefused("the account's app may not register webhooks at PayPal")
    return Registration(kind=OutcomeKind.DECLINED, message=declines.refused(reply.document).message or "not registered")
