"""PayPal as a gateway. Its objects: an order a charge, a setup token and a payment token a saved method."""

from collections.abc import Mapping
from datetime import datetime

import httpx

from guilder.domain.gateways.adapters.paypal import books, declines, mapping, notices, vault, webhooks
from guilder.domain.gateways.adapters.paypal.calls import BASE_URLS, TIMEOUT_S, Calls, Reply, environment
from guilder.domain.gateways.adapters.paypal.money import to_paypal, why_not
from guilder.domain.gateways.adapters.paypal.signature import Certificates, verify
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
from guilder.domain.gateways.port import Credentials, CredentialsRefused
from guilder.kernel.noun import replace
from guilder.platform.outside.http import OutboundPolicy

_ORDERS = "/v2/checkout/orders"
# A refusal that says how the order stands, rather than that this method was refused: it is read again.
_STANDS_OTHERWISE = frozenset(
    {"ACTION_DOES_NOT_MATCH_INTENT", "ORDER_ALREADY_AUTHORIZED", "ORDER_ALREADY_CAPTURED", "ORDER_ALREADY_COMPLETED"}
)
_WAITS_FOR_PAYER = frozenset({"PAYER_ACTION_REQUIRED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING"})


class PayPal:
    """`certificates` verify notices; `base_urls`, by environment, are for tests: else they are PayPal's own."""

    name = "paypal"
    verifies_alone = False

    def __init__(
        self,
        *,
        base_urls: Mapping[str, str] = BASE_URLS,
        policy: OutboundPolicy | None = None,
        timeout_s: float = TIMEOUT_S,
        certificates: Certificates | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        policy = policy or OutboundPolicy()
        self._calls = Calls(base_urls=base_urls, policy=policy, timeout_s=timeout_s, client=client)
        self._certificates = certificates or Certificates(policy=policy)

    async def close(self) -> None:
        await self._calls.close()
        await self._certificates.close()

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.amount is not None, request
        if reason := why_not(request.amount):
            return declines.declined(reason, message=f"PayPal cannot take {request.amount}")
        if request.provider_ref:
            if (known := await self.lookup(credentials, request)) is not None:
                return known
            # An order lapses after some hours while its key may live on: the next is its successor, under its own key.
            key = f"{key}:after:{request.provider_ref}"
        reply = await self._calls.send(credentials, "POST", _ORDERS, body=mapping.to_order(request), key=key)
        return _order(reply, request)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Capture the order: with the saved method, or on session with the one that the customer approved."""
        body = {} if request.is_on_session else {"payment_source": mapping.to_source(request.method_token)}
        path = f"{_ORDERS}/{request.provider_ref}/capture"
        reply = await self._calls.send(credentials, "POST", path, body=body, key=key)
        if reply.doubt is not None or reply.is_ok:
            return _order(reply, request)
        if reply.status == 404 or declines.issue(reply.document) in _STANDS_OTHERWISE:
            return await self._as_it_stands(credentials, request, reply)
        return _not_captured(reply, request)

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        """Find an order by its id. PayPal has no way to find one by our key.

        That None is safe then: an order whose id was lost before it was stored was never captured (we capture by the
        stored id only), its approval link reached nobody, and preparing again under the same key returns that very
        order for as long as PayPal keeps keys (six hours), when it has lapsed itself.
        """
        if not request.provider_ref:
            return None
        reply = await self._calls.send(credentials, "GET", f"{_ORDERS}/{request.provider_ref}")
        return None if reply.status == 404 and reply.doubt is None else _order(reply, request)

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Close an order: PayPal cannot void one, but one that is to be authorized can no longer be captured.

        A capture that is on its way at this moment wins or loses at PayPal, not here. Where PayPal refuses the change
        the answer is unknown until the order lapses, never canceled.
        """
        path = f"{_ORDERS}/{request.provider_ref}"
        change = [{"op": "replace", "path": "/intent", "value": "AUTHORIZE"}]
        reply = await self._calls.send(credentials, "PATCH", path, body=change, key=key)
        if reply.doubt is not None:
            return replace(reply.doubt, provider_ref=request.provider_ref)
        if reply.is_ok or reply.status == 404:
            return Outcome(kind=OutcomeKind.CANCELED, provider_ref=request.provider_ref)
        found = await self._as_it_stands(credentials, request, reply)
        if found.kind is OutcomeKind.DECLINED:
            # An order whose one capture was declined is over: nobody can pay on it any more.
            return Outcome(kind=OutcomeKind.CANCELED, provider_ref=request.provider_ref, amount=found.amount)
        return found

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        path = f"{vault.SETUP_TOKENS if request.amount is None else _ORDERS}/{request.provider_ref}"
        reply = await self._calls.send(credentials, "GET", path)
        if reply.doubt is not None:
            return reply.doubt
        if request.amount is None:
            found = vault.from_setup(reply.document)
        else:
            found = mapping.from_order(reply.document, replace(request, kind=RequestKind.CHARGE))
        if found.kind is OutcomeKind.REQUIRES_ACTION and not found.action_url and not found.is_approved:
            return declines.unknown("no page was opened", ref=request.provider_ref, is_outage=False)
        return replace(found, amount=request.amount) if found.kind is OutcomeKind.REQUIRES_ACTION else found

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.amount is not None, request
        order = await self._calls.send(credentials, "GET", f"{_ORDERS}/{request.provider_ref}")
        if not order.is_ok:
            return order.doubt or _refusal(order)
        unit = mapping.the_unit(order.document)
        if (made := await self._refund_in(credentials, unit, request)) is not None:
            return made
        capture = mapping.the_capture(unit)
        if capture is None or not mapping.text(capture, "id"):
            return declines.declined("nothing_captured", message="nothing was captured on this order")
        if reason := why_not(request.amount):
            return declines.declined(reason, message=f"PayPal cannot give back {request.amount}")
        body = {"amount": to_paypal(request.amount), "custom_id": mapping.custom_id(request.business_key)}
        path = f"/v2/payments/captures/{mapping.text(capture, 'id')}/refund"
        reply = await self._calls.send(credentials, "POST", path, body=body, key=key)
        if reply.doubt is not None:
            return reply.doubt
        return mapping.from_refund(reply.document, request) if reply.is_ok else _refusal(reply)

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        order = await self._calls.send(credentials, "GET", f"{_ORDERS}/{request.provider_ref}")
        if order.doubt is not None:
            return order.doubt
        if not order.is_ok:
            # The order was paid: that PayPal does not show it now says nothing about its refunds.
            return declines.unknown(f"the order cannot be read: {order.status}", is_outage=False)
        return await self._refund_in(credentials, mapping.the_unit(order.document), request)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Save a method: a payment token's, or one that the customer approves at PayPal; approved, it is kept."""
        return await vault.setup(self._calls, credentials, request, key=key)

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        return await vault.lookup(self._calls, credentials, request)

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        """Register our address; PayPal signs with its own key, and its id of the address is part of what is signed."""
        return await webhooks.register(self._calls, credentials, url=url)

    async def send_test_notice(self, credentials: Credentials) -> bool:
        # What its simulator sends is signed for no webhook of ours: it could not be told from a forgery.
        return False

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        return True

    def account_of(self, secret_key: str) -> str:
        return ""

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        if not secret_key:
            raise ValueError("PayPal needs the secret of the account's client")
        return "live" if environment(settings) == "live" else "test"

    async def read_notice(
        self, headers: Mapping[str, str], body: bytes, *, secret: str, settings: Mapping[str, str], now: datetime
    ) -> Notice:
        """Verify by PayPal's certificate and our webhook's id: `secret` is of no use here, no id is refused."""
        await verify(headers, body, settings=settings, now=now, certificates=self._certificates)
        return notices.from_event(body, mode="live" if settings.get("environment") == "live" else "test")

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        """Read the account's transactions. What moved money is listed up to three hours later."""
        return await books.records(self._calls, credentials, since=since, until=until, cursor=cursor)

    async def check(self, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
        return await books.check(self._calls, credentials, webhook_url=webhook_url)

    async def _as_it_stands(self, credentials: Credentials, request: GatewayRequest, refusal: Reply) -> Outcome:
        found = await self.lookup(credentials, request)
        said = declines.issue(refusal.document).lower() or f"answered {refusal.status}"
        if found is None:
            return declines.unknown(f"the order is gone: {said}", ref=request.provider_ref, is_outage=False)
        if refusal.status == 404 and found.kind is OutcomeKind.REQUIRES_ACTION:
            # The order is there: what was not found is the saved method.
            return declines.declined("token_not_found", ref=request.provider_ref, is_hard=True)
        if found.kind is OutcomeKind.REQUIRES_ACTION:
            return declines.unknown(f"not done: {said}", ref=request.provider_ref, is_outage=False)
        return found

    async def _refund_in(
        self, credentials: Credentials, unit: mapping.Document, request: GatewayRequest
    ) -> Outcome | None:
        """Find the refund that was made under this key among an order's."""
        wanted = mapping.custom_id(request.business_key)
        for each in mapping.payments(unit, "refunds"):
            found = each
            if "custom_id" not in each and (ref := mapping.text(each, "id")):
                reply = await self._calls.send(credentials, "GET", f"/v2/payments/refunds/{ref}")
                if not reply.is_ok:
                    return reply.doubt or declines.unknown(f"a refund that cannot be read: {reply.status}")
                found = reply.document
            if found.get("custom_id") == wanted:
                return mapping.from_refund(found, request)
        return None


def _order(reply: Reply, request: GatewayRequest) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    return mapping.from_order(reply.document, request) if reply.is_ok else _refusal(reply)


def _not_captured(reply: Reply, request: GatewayRequest) -> Outcome:
    said = declines.issue(reply.document)
    if said in _WAITS_FOR_PAYER or (said == "ORDER_NOT_APPROVED" and request.is_on_session):
        url = mapping.link(reply.document, ("payer-action", "redirect"))
        return Outcome(
            kind=OutcomeKind.REQUIRES_ACTION, provider_ref=request.provider_ref, amount=request.amount, action_url=url
        )
    if said == "DUPLICATE_INVOICE_ID":
        # Money for this very attempt was taken on another order of ours: a person looks, nothing is tried again.
        return Outcome(
            kind=OutcomeKind.UNKNOWN,
            provider_ref=request.provider_ref,
            alert=mapping.DUPLICATE_INVOICE,
            message="PayPal has taken money for this attempt before",
        )
    return replace(_refusal(reply), provider_ref=request.provider_ref)


def _refusal(reply: Reply) -> Outcome:
    """Read a definite no.

    :raises CredentialsRefused: the account's app lacks a right; no other try mends that
    """
    if reply.status == 403 and declines.issue(reply.document) in {"PERMISSION_DENIED", "NOT_AUTHORIZED"}:
        raise CredentialsRefused("the account's app lacks a right at PayPal")
    if reply.status == 403:
        return declines.unknown(f"not permitted: {declines.issue(reply.document)[:80]}", is_outage=False)
    return declines.refused(reply.document)
