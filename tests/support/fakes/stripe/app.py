"""The API over HTTP: who asks, under which key, what goes wrong, and the page that a customer pays on."""

import asyncio
import base64
import html
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route as HttpRoute

from simulated_provider.wire import Dropped
from tests.support.fakes.stripe import forms, listing, pages
from tests.support.fakes.stripe.routes import Route, routes
from tests.support.fakes.stripe.state import Account, Document, Fault, Kept, Refusal

_SPARES = frozenset({"drop_before", "status"})
_HTML = "<!doctype html><title>502 Bad Gateway</title><h1>Bad Gateway</h1>"


class Api:
    """All accounts of one fake, by their keys."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self.accounts: dict[str, Account] = {}
        self._routes = routes(base_url)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                HttpRoute("/c/pay/{id}", self._page, methods=["GET", "POST"]),
                HttpRoute("/{path:path}", self._serve, methods=["GET", "POST", "DELETE"]),
            ]
        )

    async def _serve(self, request: Request) -> Response:
        try:
            account = self._who(request)
            route, ref = self._find(request)
            if route.right in account.forbidden:
                said = "The provided key 'rk_test_***' does not have the required permissions for this endpoint."
                raise Refusal(403, "", said)
            return await self._answer(request, account, route, ref)
        except Refusal as refusal:
            return JSONResponse(refusal.body, status_code=refusal.status)

    async def _answer(self, request: Request, account: Account, route: Route, ref: str) -> Response:
        sent = (await request.body()).decode() if request.method == "POST" else request.url.query
        key = request.headers.get("idempotency-key", "")
        said = {"method": request.method, "path": request.url.path, "key": key, "sent": sent}
        account.asked.append(said | {"version": request.headers.get("stripe-version", "")})
        is_paying = route.op == "session" and "mode=payment" in sent
        fault = account.take("prepare" if is_paying else route.op)
        if fault is not None and fault.mode in _SPARES:
            return _spared(fault)
        asked = forms.read(sent, route.shape)
        if fault is not None and fault.mode == "broken" and key not in account.keys:
            body = Refusal(500, "", "Something went wrong at Stripe's end.", kind="api_error").body
            account.keys[key] = Kept(asked=f"{request.url.path} {sent}", at=account.clock, status=500, body=body)
            return JSONResponse(body, status_code=500)
        status, body, is_replay = self._done(account, route, ref, asked, key=key, sent=f"{request.url.path} {sent}")
        headers = {"request-id": f"req_{len(account.asked)}", **({"idempotent-replayed": "true"} if is_replay else {})}
        if fault is None:
            return JSONResponse(body, status_code=status, headers=headers)
        return await _garbled(fault, body, status)

    def _done(
        self, account: Account, route: Route, ref: str, asked: Document, *, key: str, sent: str
    ) -> tuple[int, Document, bool]:
        """Do it, or answer as before under the same key; a key stands for one request, for a day."""
        kept = account.keys.get(key) if route.method == "POST" and key else None
        if kept is not None and account.clock - kept.at < account.keys_kept_s:
            if kept.asked != sent:
                said = "Keys for idempotent requests can only be used with the same parameters."
                raise Refusal(400, "", said, kind="idempotency_error")
            assert kept.body is not None, kept
            return kept.status, kept.body, True
        try:
            made = route.act(account, ref, asked)
            secret = {"secret": made["secret"]} if "secret" in made else {}
            status, body = 200, listing.expanded(account, made, asked) | secret
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if route.method == "POST" and key:
            account.keys[key] = Kept(asked=sent, at=account.clock, status=status, body=json.loads(json.dumps(body)))
        return status, body, False

    def _who(self, request: Request) -> Account:
        given = _key(request.headers.get("authorization", ""))
        account = self.accounts.get(given)
        if account is None or account.is_revoked:
            raise Refusal(401, "", f"Invalid API Key provided: {given[:8]}********")
        return account

    def _find(self, request: Request) -> tuple[Route, str]:
        for route in self._routes:
            found = route.path.fullmatch(request.url.path)
            if found is not None and route.method == request.method:
                return route, found[1] if found.groups() else ""
        said = f"Unrecognized request URL ({request.method}: {request.url.path})."
        raise Refusal(404, "", said)

    async def _page(self, request: Request) -> Response:
        """The hosted page: a form, and what comes of sending a card with it (`card=pm_card_visa`)."""
        of = request.query_params.get("of", "")
        account = next((each for each in self.accounts.values() if each.id == of), None)
        session = account.objects.get(request.path_params["id"]) if account else None
        if account is None or session is None:
            return HTMLResponse("<h1>Not found</h1>", status_code=404)
        if request.method == "GET":
            return HTMLResponse(_form(session))
        sent = dict(parse_qsl((await request.body()).decode()))
        try:
            paid = pages.pay(account, session["id"], sent.get("card", ""))
        except Refusal as refusal:
            said = html.escape(str(refusal))
            return HTMLResponse(f"<p>{said}</p>{_form(session)}", status_code=refusal.status)
        return RedirectResponse(paid["success_url"], status_code=303)


def _key(header: str) -> str:
    """Read a key as the SDK sends it, or as `curl -u` does."""
    scheme, _, given = header.partition(" ")
    return base64.b64decode(given).decode().partition(":")[0] if scheme == "Basic" else given


def _form(session: Document) -> str:
    if session["status"] != "open":
        return "<h1>This page is closed</h1>"
    asked = html.escape(f"{session['amount_total']} {session['currency']}")
    return f'<h1>{asked}</h1><form method="post"><input name="card"><button>Pay</button></form>'


def _spared(fault: Fault) -> Response:
    if fault.mode == "drop_before":
        return Dropped()
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    kind = "rate_limit" if fault.status == 429 else "api_error"
    body = Refusal(fault.status, "", "This answer was asked for by a fault.", kind=kind).body
    return JSONResponse(body, status_code=fault.status, headers=headers)


async def _garbled(fault: Fault, body: Document, status: int) -> Response:
    whole = json.dumps(body)
    match fault.mode:
        case "drop_after":
            return Dropped()
        case "html":
            return HTMLResponse(_HTML)
        case "redirect":
            return RedirectResponse("/v1/account", status_code=302)
        case "endless":
            return Response(whole + " " * 8 * 1024 * 1024, status_code=status, media_type="application/json")
        case "list":
            return JSONResponse([body], status_code=status)
        case "truncated":
            return Response(whole[: len(whole) // 2], status_code=status, media_type="application/json")
        case "hang":
            await asyncio.sleep(fault.seconds)
        case "unknown_status":
            body = json.loads(whole)
            _about(body)["status"] = "being_considered"
        case "wrong_amount":
            body = json.loads(whole)
            found = _about(body)
            found |= {name: found[name] + 1 for name in ("amount", "amount_total") if found.get(name)}
        case mode:
            raise AssertionError(mode)
    return JSONResponse(body, status_code=status)


def _about(body: Document) -> Document:
    """Return the object that an answer is about, which a decline carries inside its error."""
    error = body.get("error", {})
    found: Document = error.get("payment_intent") or error.get("setup_intent") or body
    return found
