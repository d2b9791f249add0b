"""Stripe as a gateway: what is asked of it, call by call."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

import stripe

from guilder.domain.gateways.adapters.stripe import asking, books, finding, mapping, notices, registering, signature
from guilder.domain.gateways.adapters.stripe.amounts import NotChargeable, to_stripe_amount
from guilder.domain.gateways.adapters.stripe.sdk import BASE_URL, TIMEOUT_S, Reply, Sdk, ask
from guilder.domain.gateways.model import (
    Finding,
    GatewayRequest,
    Notice,
    Outcome,
    OutcomeKind,
    RecordPage,
    Registration,
    RequestKind,
)
from guilder.domain.gateways.port import Credentials, UnreadableNotice
from guilder.kernel.noun import replace
from guilder.platform.outside.documents import document

_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{8,250}")


class Stripe:
    name = "stripe"
    verifies_alone = True

    def __init__(self, *, base_url: str = BASE_URL, timeout_s: float = TIMEOUT_S) -> None:
        self._sdk = Sdk(base_url=base_url, timeout_s=timeout_s)

    async def close(self) -> None:
        await self._sdk.close()

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        client = self._client(credentials)
        assert request.amount is not None, request
        try:
            amount = to_stripe_amount(request.amount)
        except NotChargeable as error:
            return Outcome(kind=OutcomeKind.DECLINED, decline_code=error.code, is_hard_decline=True)
        payer = await self._payer(client, request)
        if isinstance(payer, Outcome):
            return payer
        if request.is_on_session:
            paying = asking.paying_session(request, amount=amount, payer=payer)
            reply = await ask(client.v1.checkout.sessions.create_async(paying, {"idempotency_key": key}))
            return replace(_session(reply, request), payer_ref=payer)
        intent = asking.intent(request, amount=amount, payer=payer)
        reply = await ask(client.v1.payment_intents.create_async(intent, {"idempotency_key": key}))
        return replace(_intent(reply, request), payer_ref=payer)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        confirming: stripe.params.PaymentIntentConfirmParams = {
            "payment_method": mapping.split(request.method_token)[1],
            "off_session": True,
            "expand": ["latest_charge"],
        }
        intents = self._client(credentials).v1.payment_intents
        reply = await ask(intents.confirm_async(request.provider_ref, confirming, {"idempotency_key": key}))
        if reply.is_stuck:
            # An intent is charged once, under whatever key: so another key is asked under, not the same for a day.
            again = f"{key}:{uuid4()}"
            reply = await ask(intents.confirm_async(request.provider_ref, confirming, {"idempotency_key": again}))
        return _intent(reply, request)

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        client = self._client(credentials)
        if request.provider_ref:
            # Stripe forgets nothing: one that it does not find is another account's (its key was changed), not undone.
            return _charge(await self._retrieve(client, request.provider_ref), request)
        # A cancellation does not say how the charge was asked for: both are looked for.
        found = None
        if not request.is_on_session:
            found = await finding.intent(client, credentials, request)
        if found is None and (request.is_on_session or request.kind is RequestKind.CANCEL):
            found = await finding.session(client, credentials, request)
        return None if found is None else _charge(found, request)

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        client = self._client(credentials)
        ref = request.provider_ref
        if ref.startswith("cs_"):
            reply = await ask(client.v1.checkout.sessions.expire_async(ref, {}, {"idempotency_key": key}))
            # What is not open any more is not expired: it was paid, has failed for good, or was expired before.
            return await self._closed(client, request) if reply.error else _session(reply, request)
        reply = await ask(client.v1.payment_intents.cancel_async(ref, {}, {"idempotency_key": key}))
        outcome = _intent(reply, request)
        if outcome.kind in {OutcomeKind.DECLINED, OutcomeKind.REQUIRES_ACTION}:
            return await self._close_page(client, request, outcome, key=key)
        return outcome

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Lead to the session that was prepared: it is the page, for as long as it is open (a day)."""
        return _session(await self._retrieve(self._client(credentials), request.provider_ref), request)

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        client = self._client(credentials)
        assert request.amount is not None, request
        intent = await self._intent_of(client, request.provider_ref)
        if isinstance(intent, Outcome):
            return intent
        try:
            refunding: stripe.params.RefundCreateParams = {
                "payment_intent": intent,
                "amount": to_stripe_amount(request.amount),
                "metadata": mapping.metadata(request),
            }
        except NotChargeable as error:
            return Outcome(kind=OutcomeKind.DECLINED, decline_code=error.code)
        return _refund(await ask(client.v1.refunds.create_async(refunding, {"idempotency_key": key})), request)

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        client = self._client(credentials)
        intent = await self._intent_of(client, request.provider_ref)
        if isinstance(intent, Outcome):
            return None if intent.kind is OutcomeKind.DECLINED else intent
        found = await finding.refund(client, intent, request)
        return None if found is None else _refund(found, request)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        client = self._client(credentials)
        payer = await self._payer(client, request)
        if isinstance(payer, Outcome):
            return payer
        if not request.method_token:
            saving = asking.saving_session(request, payer=payer)
            reply = await ask(client.v1.checkout.sessions.create_async(saving, {"idempotency_key": key}))
            return replace(_session(reply, request), payer_ref=payer)
        setup = asking.setup(request, payer=payer)
        return _setup(await ask(client.v1.setup_intents.create_async(setup, {"idempotency_key": key})), request)

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        client = self._client(credentials)
        if request.provider_ref:
            reply = await self._retrieve(client, request.provider_ref)
            return None if reply.is_missing else _setup(reply, request)
        by = finding.setup if request.method_token else finding.session
        found = await by(client, credentials, request)
        return None if found is None else _setup(found, request)

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        return await registering.register(self._client(credentials), credentials, url=url)

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        # Stripe does not say what it has still to deliver; nobody waits for a real provider to come to rest.
        return True

    def account_of(self, secret_key: str) -> str:
        return ""

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        found = _KEY.fullmatch(secret_key)
        if found is None:
            raise ValueError("a key of Stripe's looks like sk_live_… or rk_live_…, for tests sk_test_… or rk_test_…")
        return found[1]

    async def read_notice(
        self, headers: Mapping[str, str], body: bytes, *, secret: str, settings: Mapping[str, str], now: datetime
    ) -> Notice:
        signature.verify(headers.get(signature.HEADER), body, secret=secret, now=now)
        event = document(body)
        if event is None:
            raise UnreadableNotice("the body is no object of JSON")
        return notices.from_event(event)

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        return await books.records(self._client(credentials), since=since, until=until, cursor=cursor)

    async def check(self, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
        return await registering.check(self._client(credentials), credentials, webhook_url=webhook_url)

    async def send_test_notice(self, credentials: Credentials) -> bool:
        return await registering.send_test_notice(self._client(credentials))

    def _client(self, credentials: Credentials) -> stripe.StripeClient:
        return self._sdk.of(credentials.secret_key)

    async def _payer(self, client: stripe.StripeClient, request: GatewayRequest) -> str | Outcome:
        """Return Stripe's name for the customer, made where there is none; or why there is none."""
        if known := finding.payer_of(request):
            return known
        key = f"customer:{request.account_id}:{request.customer_id}"
        reply = await ask(client.v1.customers.create_async(asking.customer(request), {"idempotency_key": key}))
        if reply.doubt is not None:
            return reply.doubt
        made = mapping.text(reply.body or {}, "id")
        return made or (mapping.refused(reply.error) if reply.error else mapping.unknown("a customer without an id"))

    async def _retrieve(self, client: stripe.StripeClient, ref: str) -> Reply:
        """Read an object by its id, with what is to be known of its method."""
        if ref.startswith("cs_"):
            inside = ["payment_intent.latest_charge", "setup_intent.payment_method"]
            return await ask(client.v1.checkout.sessions.retrieve_async(ref, {"expand": inside}))
        if ref.startswith("seti_"):
            return await ask(client.v1.setup_intents.retrieve_async(ref, {"expand": ["payment_method"]}))
        return await ask(client.v1.payment_intents.retrieve_async(ref, {"expand": ["latest_charge"]}))

    async def _closed(self, client: stripe.StripeClient, request: GatewayRequest) -> Outcome:
        """Say what became of a session that is not open; a debit that failed leaves its intent to be closed."""
        reply = await self._retrieve(client, request.provider_ref)
        outcome = _session(reply, request)
        intent = mapping.name((reply.body or {}).get("payment_intent"))
        if outcome.kind is not OutcomeKind.DECLINED or not intent:
            return outcome
        closed = _intent(await ask(client.v1.payment_intents.cancel_async(intent)), request)
        return replace(closed, provider_ref=request.provider_ref)

    async def _close_page(
        self, client: stripe.StripeClient, request: GatewayRequest, outcome: Outcome, *, key: str
    ) -> Outcome:
        """Close the page that an intent belongs to: only so can it be closed itself."""
        reply = await ask(client.v1.checkout.sessions.list_async({"payment_intent": request.provider_ref, "limit": 1}))
        session = next(iter(finding.rows(reply)), None)
        if reply.doubt is not None or session is None:
            return reply.doubt or outcome
        expiring = client.v1.checkout.sessions.expire_async(
            mapping.text(session, "id"), {}, {"idempotency_key": f"{key}:page"}
        )
        expired = await ask(expiring)
        return expired.doubt or _charge(await self._retrieve(client, request.provider_ref), request)

    async def _intent_of(self, client: stripe.StripeClient, ref: str) -> str | Outcome:
        """Return the intent that a charge's reference leads to: its own, or its session's."""
        if not ref.startswith("cs_"):
            return ref
        reply = await ask(client.v1.checkout.sessions.retrieve_async(ref))
        if reply.doubt is not None:
            return reply.doubt
        if reply.body is None:
            # It was paid: that it is not shown now says nothing about its refunds.
            return mapping.unknown("the page's session cannot be read", is_outage=False)
        intent = mapping.name(reply.body.get("payment_intent"))
        return intent or Outcome(kind=OutcomeKind.DECLINED, decline_code="charge_not_found")


def _charge(reply: Reply, request: GatewayRequest) -> Outcome:
    is_session = (reply.body or {}).get("object") == "checkout.session"
    return _session(reply, request) if is_session else _intent(reply, request)


def _intent(reply: Reply, request: GatewayRequest) -> Outcome:
    """Read the answer about an intent; a refusal may carry the intent as it stands."""
    if reply.doubt is not None:
        return reply.doubt
    if reply.body is not None:
        return mapping.from_intent(reply.body, request)
    inside = (reply.error or {}).get("payment_intent")
    if isinstance(inside, Mapping):
        return mapping.from_intent(inside, request)
    return mapping.refused(reply.error or {})


def _session(reply: Reply, request: GatewayRequest) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    return mapping.from_session(reply.body, request) if reply.body is not None else mapping.refused(reply.error or {})


def _setup(reply: Reply, request: GatewayRequest) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    if reply.body is not None:
        is_session = reply.body.get("object") == "checkout.session"
        return mapping.from_session(reply.body, request) if is_session else mapping.from_setup(reply.body)
    inside = (reply.error or {}).get("setup_intent")
    if isinstance(inside, Mapping) and isinstance(inside.get("last_setup_error"), Mapping):
        return mapping.from_setup(inside)
    return mapping.refused(reply.error or {})


def _refund(reply: Reply, request: GatewayRequest) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    return mapping.from_refund(reply.body, request) if reply.body is not None else mapping.refused(reply.error or {})
