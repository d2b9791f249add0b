"""The page that staff sign in on, and the way to an issuer and back. No script; each step is a form or a link."""

import secrets
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import Path, Query, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from guilder.domain.identity.model import TokenTrust
from guilder.domain.identity.routes.door import AtTheDoor, Threshold
from guilder.domain.identity.routes.session import by_password
from guilder.domain.identity.rules.signing_in import HOME, own_path
from guilder.domain.identity.schemas.access import TrustRef
from guilder.kernel import ids
from guilder.kernel.errors import Forbidden, Refusal, Unauthenticated, Unavailable
from guilder.platform.http.errors import status_of
from guilder.platform.http.router import Router
from guilder.platform.http.shield import page_headers

FORM_MAX = 10_000
FIELDS_MAX = 10
FORM = "application/x-www-form-urlencoded"
FAILED = "Signing in did not succeed. Begin again."

_pages = Environment(
    loader=PackageLoader("guilder.domain.identity"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)

router = Router(include_in_schema=False)

TrustPath = Annotated[TrustRef, Path(alias="trust")]
Said = Annotated[str, Query(max_length=2_000)]


@router.get(HOME)
async def show(door: AtTheDoor, tenant: Said = "", return_to: Said = "") -> Response:
    """Show how staff sign in, or who is signed in."""
    door.refuse_insecure()
    return await _page(door, tenant=tenant, return_to=return_to)


@router.post(HOME, raw_body=True, body_max=FORM_MAX)
async def sign_in(request: Request, door: AtTheDoor) -> Response:
    """Take the form with the password."""
    door.refuse_insecure()
    door.refuse_elsewhere(is_form=True)
    said = await _form(request)
    try:
        signed_in = await by_password(door, said.get("tenant", ""), said.get("email", ""), said.get("password", ""))
    except Refusal as refusal:
        return await _page(door, tenant=said.get("tenant", ""), return_to=said.get("return_to", ""), refusal=refusal)
    answer = RedirectResponse(own_path(said.get("return_to")), 303)
    door.keep(answer, signed_in.token)
    return answer


@router.post("/sign-out", raw_body=True, body_max=FORM_MAX)
async def sign_out(door: AtTheDoor) -> Response:
    """End the browser's session."""
    door.refuse_elsewhere(is_form=True)
    if door.token:
        await door.sign_ins.sign_out(door.token)
    answer = RedirectResponse(HOME, 303)
    door.forget(answer)
    return answer


@router.get(f"{HOME}/callback/{{trust}}")
async def arrive(door: AtTheDoor, trust_id: TrustPath, state: Said = "", code: Said = "", iss: Said = "") -> Response:
    """Take back who comes from an issuer. Whatever went wrong, the page says the same."""
    try:
        await door.slow_down(cost=0)
        arrived = await door.sign_ins.arrive(
            cookie=door.pending,
            trust_id=trust_id,
            state=state,
            code=code,
            issuer=iss,
            browser=door.browser,
            replaced=door.token,
        )
    except Refusal as refusal:
        if isinstance(refusal, Unauthenticated | Forbidden):
            await door.slow_down(cost=1)
        answer: Response = await _page(door, refusal=refusal, said=FAILED)
    else:
        answer = RedirectResponse(arrived.return_to, 303)
        door.keep(answer, arrived.signed_in.token)
    door.forget_pending(answer)
    return answer


@router.get(f"{HOME}/{{trust}}")
async def leave(
    door: AtTheDoor, trust_id: TrustPath, tenant: Said = "", return_to: Said = "", step_up: Said = ""
) -> Response:
    """Send the browser to an issuer, with what it needs to come back; whoever comes by a link elsewhere is shown the page.

    Otherwise a page elsewhere could have somebody signed in by an issuer of its choosing, in the place of who they are.
    """
    door.refuse_insecure()
    if door.is_led_here:
        query = urlencode({"tenant": tenant, "return_to": own_path(return_to or None)})
        return RedirectResponse(f"{HOME}?{query}", 303)
    try:
        leaving = await door.sign_ins.leave(
            slug=tenant, trust_id=trust_id, return_to=return_to, step_up=door.token if step_up else None
        )
    except Unavailable as refusal:
        return await _page(door, tenant=tenant, return_to=return_to, refusal=refusal)
    answer = RedirectResponse(leaving.url, 303)
    door.keep_pending(answer, leaving.cookie)
    return answer


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        found = parse_qs(
            (await request.body()).decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


async def _page(
    door: Threshold, *, tenant: str = "", return_to: str = "", refusal: Refusal | None = None, said: str = ""
) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    view: dict[str, Any] = {
        "nonce": nonce,
        "home": HOME,
        "is_signed_in": refusal is None
        and door.token is not None
        and await door.sign_ins.find_session(door.token) is not None,
        "said": (said or refusal.detail) if refusal else "",
        "tenant": tenant,
        "return_to": own_path(return_to or None),
        "issuers": [_button(each, tenant, return_to) for each in await door.sign_ins.issuers(slug=tenant)],
    }
    headers = page_headers(nonce=nonce) | {"X-Robots-Tag": "noindex"}
    if refusal is not None and refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return HTMLResponse(
        _pages.get_template("sign_in.html").render(view),
        status_code=status_of(refusal) if refusal else 200,
        headers=headers,
    )


def _button(trust: TokenTrust, tenant: str, return_to: str) -> dict[str, str]:
    query = urlencode({"tenant": tenant, "return_to": own_path(return_to or None)})
    return {
        "name": urlsplit(trust.issuer).hostname or trust.issuer,
        "url": f"{HOME}/{ids.to_text('trust', trust.id)}?{query}",
    }
