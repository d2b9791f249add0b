"""The fake as a server in a thread of its own, with its faults; a test talks to its accounts directly."""

import asyncio
import base64
import copy
import json
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.fakes.paypal import books, oracle, orders, vault
from tests.support.fakes.paypal.account import Account, Document, Fault, Refusal, new_id
from tests.support.fakes.paypal.certificates import Signers

# By method and route: the name of the call in the contract, and of its fault.
_OPS = {
    "POST /v2/checkout/orders": "prepare",
    "GET /v2/checkout/orders/{id}": "lookup",
    "PATCH /v2/checkout/orders/{id}": "cancel",
    "POST /v2/checkout/orders/{id}/capture": "confirm",
    "POST /v2/payments/captures/{id}/refund": "refund",
    "GET /v2/payments/refunds/{id}": "lookup_refund",
    "POST /v3/vault/setup-tokens": "setup",
    "GET /v3/vault/setup-tokens/{id}": "lookup_setup",
    "POST /v3/vault/payment-tokens": "keep",
    "GET /v3/vault/payment-tokens": "tokens",
    "GET /v3/vault/payment-tokens/{id}": "token",
    "GET /v1/notifications/webhooks": "webhooks",
    "POST /v1/notifications/webhooks": "add_webhook",
    "PATCH /v1/notifications/webhooks/{id}": "change_webhook",
    "GET /v1/reporting/transactions": "records",
}


class _Broken(Response):
    """An answer that ends before it is over: the connection is closed in the middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"9999")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


class FakePayPal:
    """`url` is its API, and its certificates' host. Accounts are made with `account()`."""

    def __init__(self) -> None:
        self.signers = Signers()
        self.accounts: dict[str, Account] = {}
        self.redirects_to = ""
        self.certificates_asked = 0
        routes = [Route(key.split()[1], self._api(op), methods=[key.split()[0]]) for key, op in _OPS.items()]
        routes += [
            Route("/v1/oauth2/token", self._token, methods=["POST"]),
            Route("/v1/notifications/certs/{name}", self._certificate),
            Route("/checkoutnow", self._page, methods=["GET", "POST"]),
        ]
        app = Starlette(routes=routes)
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        oracle.warm()
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < until, "the fake did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)

    @property
    def url(self) -> str:
        [server] = self._server.servers
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def account(self) -> Account:
        made = Account()
        self.accounts[made.client_id] = made
        return made

    def sign(self, body: bytes, *, at: datetime, webhook_id: str, signer: str = "good", **over: str) -> dict[str, str]:
        """Return the headers with which PayPal would send this body; `over` replaces some of them."""
        stamp = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        transmission = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
        message = f"{transmission}|{stamp}|{webhook_id}|{zlib.crc32(body)}".encode()
        signature = self.signers.by_name[signer].key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        headers = {
            "paypal-transmission-id": transmission,
            "paypal-transmission-time": stamp,
            "paypal-transmission-sig": base64.b64encode(signature).decode(),
            "paypal-cert-url": f"https://api.sandbox.paypal.com/v1/notifications/certs/CERT-{signer}",
            "paypal-auth-algo": "SHA256withRSA",
        }
        return headers | {f"paypal-{name.replace('_', '-')}": value for name, value in over.items()}

    async def deliver(self, account: Account) -> list[int]:
        """Send what was not sent yet to the account's webhooks; return how each was answered."""
        answers = []
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            while account.undelivered:
                event = account.undelivered.pop(0)
                body = json.dumps(event).encode()
                for hook in list(account.webhooks.values()):
                    headers = self.sign(body, at=account.now, webhook_id=hook["id"])
                    answer = await client.post(hook["url"], content=body, headers=headers)
                    answers.append(answer.status_code)
        return answers

    def _api(self, op: str) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            account = self._bearer(request)
            if account is None:
                return JSONResponse({"error": "invalid_token"}, 401)
            account.calls.append(op)
            fault = next((each for each in account.faults if each.op == op), None)
            if fault is not None:
                fault.times -= 1
                if not fault.times:
                    account.faults.remove(fault)
            return await self._answer(account, op, request, fault)

        return endpoint

    async def _answer(self, account: Account, op: str, request: Request, fault: Fault | None) -> Response:
        mode = fault.mode if fault else ""
        if mode == "drop_before":
            return _Broken()
        if mode == "busy":
            return JSONResponse({"name": "RATE_LIMIT_REACHED"}, 429, {"retry-after": "7"})
        if mode == "status":
            return JSONResponse({"name": "INTERNAL_SERVER_ERROR"}, 500)
        if mode == "unauthorized":
            return JSONResponse({"error": "invalid_token"}, 401)
        if mode == "forbidden":
            return JSONResponse(Refusal(403, "PERMISSION_DENIED", "NOT_AUTHORIZED").body, 403)
        body = json.loads(await request.body() or b"null")
        try:
            status, said = self._once(account, op, request, body)
        except Refusal as refusal:
            status, said = refusal.status, refusal.body
        if mode == "hang":
            assert fault is not None
            await asyncio.sleep(fault.seconds)
        return _spoilt(mode, status, said)

    def _once(self, account: Account, op: str, request: Request, body: object) -> tuple[int, Document]:
        """Do it once per `PayPal-Request-Id`: a second time the object is shown as it is now."""
        key = request.headers.get("paypal-request-id", "")
        if len(key) > 108:
            raise Refusal(400, "INVALID_STRING_LENGTH", "INVALID_REQUEST")
        print_, name = json.dumps(body, sort_keys=True), (request.url.path, key)
        if key and name in account.keys:
            before, made = account.keys[name]
            if before != print_:
                raise Refusal(422, "DUPLICATE_REQUEST_ID")
            return 200, made
        status, said = self._do(account, op, request, body)
        if key and request.method == "POST":
            account.keys[name] = (print_, said)
        return status, said

    def _do(self, account: Account, op: str, request: Request, body: object) -> tuple[int, Document]:
        ref = request.path_params.get("id", "")
        match op:
            case "cancel":
                orders.patch(account, ref, body)
                return 204, {}
            case "webhooks":
                return 200, {"webhooks": list(account.webhooks.values())}
        done: dict[str, tuple[int, Callable[[], Document]]] = {
            "prepare": (201, lambda: orders.create(account, body, url=self.url)),
            "lookup": (200, lambda: account.order(ref)),
            "confirm": (201, lambda: orders.capture(account, ref, body)),
            "refund": (201, lambda: orders.refund(account, ref, body)),
            "lookup_refund": (200, lambda: orders.find_refund(account, ref)),
            "setup": (201, lambda: vault.create_setup(account, body, url=self.url)),
            "lookup_setup": (200, lambda: vault.setup(account, ref)),
            "keep": (201, lambda: vault.keep(account, body)),
            "token": (200, lambda: vault.token(account, ref)),
            "tokens": (200, lambda: vault.tokens_of(account, request.query_params["customer_id"])),
            "add_webhook": (201, lambda: books.add_webhook(account, body)),
            "change_webhook": (200, lambda: books.change_webhook(account, ref, body)),
            "records": (200, lambda: books.search(account, request.query_params)),
        }
        status, make = done[op]
        return status, make()

    def _bearer(self, request: Request) -> Account | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        for account in self.accounts.values():
            if (until := account.tokens.get(token)) is not None:
                return account if account.now < until else None
        return None

    async def _token(self, request: Request) -> Response:
        given = ""
        with suppress(ValueError):
            given = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        client_id, _, secret = given.partition(":")
        account = self.accounts.get(client_id)
        grant = parse_qs((await request.body()).decode()).get("grant_type")
        if account is None or account.secret != secret or grant != ["client_credentials"]:
            return JSONResponse({"error": "invalid_client"}, 401)
        account.calls.append("oauth")
        token = f"A21AA{new_id(40)}"
        account.tokens[token] = account.now + timedelta(seconds=account.token_life_s)
        said = {"scope": account.scopes, "access_token": token, "token_type": "Bearer"}
        return JSONResponse({**said, "app_id": "APP-1", "expires_in": account.token_life_s})

    async def _certificate(self, request: Request) -> Response:
        self.certificates_asked += 1
        name = request.path_params["name"].removeprefix("CERT-")
        if name == "redirect":
            return RedirectResponse(self.redirects_to, 302)
        if name == "down":
            return Response("busy", 503)
        if name == "html":
            return HTMLResponse("<h1>not a certificate</h1>")
        if name == "long":
            return Response(b"x" * 200_000)
        pem = self.signers.pem(name)
        return Response(pem, media_type="application/x-pem-file") if pem else Response("no", 404)

    async def _page(self, request: Request) -> Response:
        """Show the payer's page; posted to, it is approved and leads back."""
        order_id = request.query_params["token"]
        [account] = [each for each in self.accounts.values() if order_id in each.orders]
        if request.method == "GET":
            return HTMLResponse("<form method=post><button>Pay now</button></form>")
        account.approve(order_id)
        context = account.orders[order_id]["_source"]["paypal"]["experience_context"]
        return RedirectResponse(context["return_url"], 303)


def _spoilt(mode: str, status: int, said: Document) -> Response:
    """Answer, or spoil the answer in one of the contract's ways."""
    shown = _shown(said)
    match mode:
        case "drop_after":
            return _Broken()
        case "html":
            return HTMLResponse("<html><body>Sorry</body></html>")
        case "truncated":
            text = json.dumps(shown)
            return Response(text[: len(text) // 2], status, media_type="application/json")
        case "unknown_status":
            shown = _changed(shown, "status", lambda _: "TELEPORTED")
        case "wrong_amount":
            shown = _changed(shown, "value", lambda value: f"1{value}")
    return Response(status_code=204) if status == 204 else JSONResponse(shown, status)


def _shown(said: Document) -> Document:
    return {name: copy.deepcopy(value) for name, value in said.items() if not name.startswith("_")}


def _changed(said: Any, name: str, change: Callable[[Any], Any]) -> Any:
    if isinstance(said, list):
        return [_changed(each, name, change) for each in said]
    if isinstance(said, dict):
        return {key: change(value) if key == name else _changed(value, name, change) for key, value in said.items()}
    return said
