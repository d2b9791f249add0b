"""The simulated provider over HTTP. Its objects: a payment intent a charge, a setup intent a saved card."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from guilder.domain.gateways.adapters.simulated import mapping, signature
from guilder.domain.gateways.model import (
    Finding,
    GatewayRequest,
    Notice,
    Outcome,
    OutcomeKind,
    RecordPage,
    Registration,
)
from guilder.domain.gateways.port import Credentials, CredentialsRefused, UnreadableNotice
from guilder.platform.outside.documents import document
from guilder.platform.outside.http import OutboundPolicy, guarded_client
from guilder.platform.outside.intents import CallFailed

BASE_URL = "http://127.0.0.1:4010"
# Longer than its slowest card; the performers' limit is longer still.
TIMEOUT_S = 10.0
ANSWER_MAX = 256 * 1024
RETRY_AFTER_MAX_S = 3600
# "Too many requests" without a word of how long: the account is left alone for so long, and called more slowly then.
TOO_MANY_S = 1
# They say nothing about whether it was done: in doubt, look it up.
_NO_ANSWER = frozenset({408, 409, 422, 425, 429})
CHARGES, REFUNDS = "charges", "refunds"
# Longer than its slowest card takes to decide.
PENDING_MAX = timedelta(days=30)
_KEY = re.compile(r"sk_sim_([A-Za-z0-9_-]{1,80})")


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back: a document and its status, or why there is none."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    doubt: Outcome | None = None

    @property
    def error(self) -> Mapping[str, Any]:
        error = (self.body or {}).get("error")
        return error if isinstance(error, Mapping) else {}


class Simulated:
    name = "simulated"
    verifies_alone = True

    def __init__(self, *, base_url: str = BASE_URL, timeout_s: float = TIMEOUT_S) -> None:
        policy = OutboundPolicy(allows_loopback=True)
        self._client = guarded_client(policy, base_url=base_url)
        self._client.timeout = httpx.Timeout(timeout_s)

    async def close(self) -> None:
        await self._client.aclose()

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.amount is not None, request
        body = {
            "amount": request.amount.minor,
            "currency": request.amount.currency,
            "customer": str(request.customer_id),
            "off_session": not request.is_on_session,
            "metadata": _metadata(request),
        }
        if request.description:
            body["description"] = request.description[:500]
        if request.is_on_session:
            body["setup_future_usage"] = "off_session"
        return _intent(await self._post(credentials, "/v1/payment_intents", body, key=key), request)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        path = f"/v1/payment_intents/{request.provider_ref}/confirm"
        body = {"payment_method": request.method_token, "off_session": True}
        return _intent(await self._post(credentials, path, body, key=key), request)

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        reply, found = await self._find(credentials, "/v1/payment_intents", request)
        if reply.doubt is not None:
            return reply.doubt
        return None if found is None else mapping.from_intent(found, request)

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        reply = await self._post(credentials, f"/v1/payment_intents/{request.provider_ref}/cancel", {}, key=key)
        return _intent(reply, request)

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        kind = "setup_intent" if request.amount is None else "payment_intent"
        body = {
            kind: request.provider_ref,
            "success_url": f"{request.return_url}{'&' if '?' in request.return_url else '?'}done=1",
            "cancel_url": request.return_url,
            **({"merchant_name": request.merchant_name} if request.merchant_name else {}),
        }
        reply = await self._post(credentials, "/v1/checkout_sessions", body, key=key)
        if reply.doubt is not None:
            return reply.doubt
        url = (reply.body or {}).get("url")
        if reply.status != 200 or not isinstance(url, str) or not url.startswith(("http://", "https://")):
            return mapping.unknown("no page was opened", ref=request.provider_ref, is_outage=False)
        return Outcome(
            kind=OutcomeKind.REQUIRES_ACTION, provider_ref=request.provider_ref, amount=request.amount, action_url=url
        )

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.amount is not None, request
        body = {
            "payment_intent": request.provider_ref,
            "amount": request.amount.minor,
            "metadata": _metadata(request),
        }
        reply = await self._post(credentials, "/v1/refunds", body, key=key)
        if reply.doubt is not None:
            return reply.doubt
        return mapping.from_refund(reply.body or {}, request) if reply.status == 200 else mapping.refused(reply.error)

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        reply, found = await self._find(credentials, "/v1/refunds", request, by_ref=False)
        if reply.doubt is not None:
            return reply.doubt
        return None if found is None else mapping.from_refund(found, request)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        body: dict[str, Any] = {"customer": str(request.customer_id), "metadata": _metadata(request)}
        made = _setup(await self._post(credentials, "/v1/setup_intents", body, key=key))
        if made.kind is not OutcomeKind.REQUIRES_ACTION:
            return made
        if not request.method_token:
            return made
        path = f"/v1/setup_intents/{made.provider_ref}/confirm"
        confirmed = await self._post(credentials, path, {"payment_method": request.method_token}, key=f"{key}:confirm")
        return _setup(confirmed)

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        reply, found = await self._find(credentials, "/v1/setup_intents", request)
        if reply.doubt is not None:
            return reply.doubt
        return None if found is None else mapping.from_setup(found)

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        reply = await self._post(credentials, "/v1/webhook_endpoints", {"url": url, "secret": secret}, key=None)
        if reply.doubt is not None:
            return Registration(kind=OutcomeKind.UNKNOWN, message=reply.doubt.message, is_outage=reply.doubt.is_outage)
        if reply.status == 200:
            return Registration(kind=OutcomeKind.SUCCEEDED)
        return Registration(kind=OutcomeKind.DECLINED, message=mapping.refused(reply.error).message)

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        kind, _, after = cursor.partition(":") if cursor else (CHARGES, "", "")
        reply = await self._send(
            credentials, "GET", f"/v1/{kind}", query={"limit": "100", **({"starting_after": after} if after else {})}
        )
        listed = (reply.body or {}).get("data")
        if reply.doubt is not None or reply.status != 200 or not isinstance(listed, list):
            raise CallFailed(reply.doubt.message if reply.doubt else "books that cannot be read")
        found = [mapping.from_book(each, is_refund=kind == REFUNDS) for each in listed]
        wanted = tuple(each for each in found if each is not None and since <= each.at < until)
        # Listed by when they were made, newest first; what was pending is dated by when it was decided.
        is_past = any(each is not None and each.at < since - PENDING_MAX for each in found)
        if listed and (reply.body or {}).get("has_more") is True and not is_past:
            return RecordPage(records=wanted, cursor=f"{kind}:{listed[-1].get('id', '')}")
        return RecordPage(records=wanted, cursor=f"{REFUNDS}:" if kind == CHARGES else "")

    async def check(self, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
        reply = await self._send(credentials, "GET", "/v1/webhook_endpoints")
        if reply.doubt is not None:
            return [Finding(what="The provider answers", is_ok=False, advice="Is it running, at PROVIDER_PORT?")]
        listed = (reply.body or {}).get("data")
        urls = [each.get("url") for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        taken = Finding(what="The key is taken", is_ok=True)
        if not webhook_url:
            return [taken]
        return [
            taken,
            Finding(
                what="Our webhook address is registered",
                is_ok=webhook_url in urls,
                advice="" if webhook_url in urls else "It is registered by itself within seconds of connecting.",
            ),
        ]

    async def send_test_notice(self, credentials: Credentials) -> bool:
        # It tells of what was asked of it, and of nothing else.
        return False

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        reply = await self._send(credentials, "GET", f"/sim/accounts/{account}/idle")
        # Nobody to ask: nothing comes from there either, and whoever waits should not wait for ever.
        return reply.body is None or reply.body.get("undelivered", 0) == 0

    def account_of(self, secret_key: str) -> str:
        found = _KEY.fullmatch(secret_key)
        return found[1] if found else ""

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        if not self.account_of(secret_key):
            raise ValueError("a key of the simulated provider looks like sk_sim_shop")
        return "test"

    async def read_notice(
        self, headers: Mapping[str, str], body: bytes, *, secret: str, settings: Mapping[str, str], now: datetime
    ) -> Notice:
        signature.verify(headers.get(signature.HEADER), body, secret=secret, now=now)
        event = document(body)
        if event is None:
            raise UnreadableNotice("the body is no object of JSON")
        return mapping.from_event(event)

    async def _find(
        self, credentials: Credentials, path: str, request: GatewayRequest, *, by_ref: bool = True
    ) -> tuple[_Reply, Mapping[str, Any] | None]:
        """Find an object by its id, where we have it, else by its business key: the oldest, if there were two."""
        if by_ref and request.provider_ref:
            reply = await self._send(credentials, "GET", f"{path}/{request.provider_ref}")
            return reply, reply.body if reply.status == 200 else None
        query = {"metadata[business_key]": request.business_key}
        reply = await self._send(credentials, "GET", path, query=query)
        if reply.doubt is not None:
            return reply, None
        listed = (reply.body or {}).get("data")
        if reply.status != 200 or not isinstance(listed, list):
            return _Reply(doubt=mapping.unknown("a list that cannot be read", is_outage=False)), None
        return reply, next((each for each in reversed(listed) if isinstance(each, Mapping)), None)

    async def _post(self, credentials: Credentials, path: str, body: Mapping[str, Any], *, key: str | None) -> _Reply:
        return await self._send(credentials, "POST", path, body=body, key=key)

    async def _send(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> _Reply:
        headers = {"authorization": f"Bearer {credentials.secret_key}", "accept-encoding": "identity"}
        if key is not None:
            headers["idempotency-key"] = key
        if credentials.now is not None:
            headers["simulated-now"] = credentials.now.isoformat()
        try:
            answer = await self._client.request(method, path, headers=headers, json=body, params=query)
        except httpx.HTTPError as error:
            return _Reply(doubt=mapping.unknown(f"no answer: {type(error).__name__}"))
        return _read(answer)


def _read(answer: httpx.Response) -> _Reply:
    if answer.status_code == 401:
        raise CredentialsRefused
    if answer.status_code in _NO_ANSWER or answer.status_code >= 500 or answer.status_code == 403:
        wait_s = _retry_after(answer) or (TOO_MANY_S if answer.status_code == 429 else None)
        doubt = mapping.unknown(f"answered {answer.status_code}", retry_after_s=wait_s)
        return _Reply(answer.status_code, doubt=doubt)
    if len(answer.content) > ANSWER_MAX:
        return _Reply(answer.status_code, doubt=mapping.unknown("an answer that does not end", is_outage=False))
    body = document(answer.content)
    if body is None:
        return _Reply(answer.status_code, doubt=mapping.unknown("an answer that is not JSON"))
    return _Reply(answer.status_code, body)


def _intent(reply: _Reply, request: GatewayRequest) -> Outcome:
    """Read the answer about a payment intent; a refusal may carry the intent as it stands."""
    if reply.doubt is not None:
        return reply.doubt
    if reply.status == 200:
        return mapping.from_intent(reply.body or {}, request)
    inside = reply.error.get("payment_intent")
    if isinstance(inside, Mapping):
        return mapping.from_intent(inside, request)
    return mapping.refused(reply.error) if reply.error else mapping.unknown(f"answered {reply.status}")


def _setup(reply: _Reply) -> Outcome:
    if reply.doubt is not None:
        return reply.doubt
    if reply.status == 200:
        return mapping.from_setup(reply.body or {})
    inside = reply.error.get("setup_intent")
    if isinstance(inside, Mapping):
        return mapping.from_setup(inside)
    return mapping.refused(reply.error) if reply.error else mapping.unknown(f"answered {reply.status}")


def _metadata(request: GatewayRequest) -> dict[str, str]:
    said = {"business_key": request.business_key, "tenant_id": str(request.tenant_id), "kind": request.kind.value}
    return {**said, **({"claim": request.claim} if request.claim else {})}


def _retry_after(answer: httpx.Response) -> int | None:
    said = answer.headers.get("retry-after", "")
    return min(int(said), RETRY_AFTER_MAX_S) if said.isascii() and said.isdigit() and len(said) < 10 else None
