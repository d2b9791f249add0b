"""Saved methods: PayPal's vault. A setup token waits for the customer; a payment token is what is charged."""

from typing import Any

from guilder.domain.gateways.adapters.paypal import declines, mapping
from guilder.domain.gateways.adapters.paypal.calls import Calls, Reply
from guilder.domain.gateways.model import GatewayRequest, Outcome, OutcomeKind
from guilder.domain.gateways.port import Credentials, CredentialsRefused
from guilder.kernel.noun import replace

SETUP_TOKENS = "/v3/vault/setup-tokens"
PAYMENT_TOKENS = "/v3/vault/payment-tokens"
TOKEN_NOT_FOUND = "token_not_found"  # noqa: S105  (a code)
_AGREED = frozenset({"APPROVED", "VAULTED", "TOKENIZED"})
_WAITS = frozenset({"CREATED", "PAYER_ACTION_REQUIRED"})


async def setup(calls: Calls, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
    if request.method_token:
        return await _given(calls, credentials, request.method_token)
    if request.provider_ref:
        reply = await calls.send(credentials, "GET", f"{SETUP_TOKENS}/{request.provider_ref}")
        if reply.doubt is not None:
            return reply.doubt
        if reply.is_ok:
            found = from_setup(reply.document)
            return await _keep(calls, credentials, found) if found.is_approved else found
        key = f"{key}:after:{request.provider_ref}"  # it has lapsed, unused
    reply = await calls.send(credentials, "POST", SETUP_TOKENS, body=_to_setup(request), key=key)
    return _read(reply)


async def lookup(calls: Calls, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
    """Find a setup by its id; without one there was none: nobody could approve what they were never shown."""
    if request.method_token:
        return await _given(calls, credentials, request.method_token)
    if not request.provider_ref:
        return None
    reply = await calls.send(credentials, "GET", f"{SETUP_TOKENS}/{request.provider_ref}")
    return None if reply.status == 404 and reply.doubt is None else _read(reply)


def from_setup(setup: mapping.Document) -> Outcome:
    ref, status = mapping.text(setup, "id"), mapping.text(setup, "status")
    if ref and status in _WAITS:
        url = mapping.link(setup, ("approve", "payer-action"))
        return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=ref, action_url=url)
    if ref and status in _AGREED:
        payer = mapping.payer_of(setup)
        return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=ref, is_approved=True, payer_ref=payer)
    return declines.unknown(f"an unknown status: {status[:40]}", ref=ref, is_outage=False)


def _read(reply: Reply) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    if reply.is_ok:
        return from_setup(reply.document)
    if reply.status == 403:
        raise CredentialsRefused("the account's app may not save payment methods at PayPal")
    return declines.refused(reply.document)


async def _given(calls: Calls, credentials: Credentials, token: str) -> Outcome:
    """Look at a payment token that we were given: `kind/id`, or its bare id."""
    vault_id = token.rpartition("/")[2]
    reply = await calls.send(credentials, "GET", f"{PAYMENT_TOKENS}/{vault_id}")
    if reply.doubt is not None:
        return reply.doubt
    if not reply.is_ok:
        return declines.declined(TOKEN_NOT_FOUND, is_hard=True, message="PayPal knows of no such saved method here")
    return _kept(reply.document, ref=vault_id)


async def _keep(calls: Calls, credentials: Credentials, approved: Outcome) -> Outcome:
    """Make a payment token of an approved setup; done before, and long ago, it is found at its customer."""
    body = {"payment_source": {"token": {"id": approved.provider_ref, "type": "SETUP_TOKEN"}}}
    key = f"keep:{approved.provider_ref}"
    reply = await calls.send(credentials, "POST", PAYMENT_TOKENS, body=body, key=key)
    if reply.doubt is not None:
        return replace(reply.doubt, provider_ref=approved.provider_ref)
    if reply.is_ok:
        return _kept(reply.document, ref=approved.provider_ref)
    found = await _only_one(calls, credentials, approved.payer_ref) if approved.payer_ref else None
    return _read(reply) if found is None else replace(found, provider_ref=approved.provider_ref)


async def _only_one(calls: Calls, credentials: Credentials, payer: str) -> Outcome | None:
    reply = await calls.send(credentials, "GET", PAYMENT_TOKENS, query={"customer_id": payer})
    if reply.doubt is not None:
        return reply.doubt
    listed = reply.document.get("payment_tokens")
    return _kept(listed[0], ref="") if reply.is_ok and isinstance(listed, list) and len(listed) == 1 else None


def _kept(token: mapping.Document, *, ref: str) -> Outcome:
    card = mapping.card_of(token, token=mapping.text(token, "id")) if isinstance(token, dict) else None
    if card is None or not card.token:
        return declines.unknown("a saved method that cannot be read", ref=ref, is_outage=False)
    return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=ref, card=card, payer_ref=mapping.payer_of(token))


def _to_setup(request: GatewayRequest) -> dict[str, Any]:
    wallet: dict[str, Any] = {"usage_type": "MERCHANT", "experience_context": mapping.to_experience(request)}
    if request.description:
        wallet["description"] = request.description[:128]
    body: dict[str, Any] = {"payment_source": {"paypal": wallet}}
    return body | ({"customer": {"id": request.payer_ref}} if request.payer_ref else {})
