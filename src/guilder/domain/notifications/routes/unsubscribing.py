"""The page behind an unsubscribe link: it asks before it does, for mail scanners open links; one POST does it, as mailboxes
send it by themselves (RFC 8058). The token in its address is the authority."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.notifications import service
from guilder.domain.notifications.rules.links import BadUnsubscribeLink, Unsubscribing
from guilder.domain.notifications.rules.unsubscribing import WORDS
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.http.retries import again_on_clash
from guilder.platform.http.router import Router
from guilder.platform.http.session import Visit, Visiting
from guilder.platform.http.shield import page_headers
from guilder.platform.words import FALLBACK, language_of

T = TypeVar("T")
FORM_MAX = 10_000

_pages = Environment(
    loader=PackageLoader("guilder.domain.notifications"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)

router = Router(include_in_schema=False)


@router.get("/unsubscribe/{token}")
async def ask(visit: Visiting, token: str) -> Response:
    """Ask whether it is meant. To look at this page changes nothing."""
    try:
        link = _link(visit, token)
        reader = await _visited(visit, link, lambda tx, _: _reader(tx, link))
    except BadUnsubscribeLink:
        return _unknown()
    return _page(reader, link, is_done=False)


@router.post("/unsubscribe/{token}", raw_body=True, body_max=FORM_MAX)
async def unsubscribe(visit: Visiting, token: str) -> Response:
    """Switch the link's group off; to do it again changes nothing."""

    async def work(tx: Tx, now: datetime) -> Customer:
        reader = await _reader(tx, link)
        await service.unsubscribe(tx, link=link, now=now)
        return reader

    try:
        link = _link(visit, token)
        reader = await _visited(visit, link, work)
    except BadUnsubscribeLink:
        return _unknown()
    return _page(reader, link, is_done=True)


async def _reader(tx: Tx, link: Unsubscribing) -> Customer:
    ref = Ref(link.tenant_id, link.customer_id)
    found = (await customers.get(tx, refs=[ref])).get(ref)
    if found is None or found.is_erased:
        raise BadUnsubscribeLink
    return found


def _link(visit: Visit, token: str) -> Unsubscribing:
    vault = visit.database.vault
    if vault is None:
        raise BadUnsubscribeLink
    return service.read_unsubscribe_link(vault, token=token)


async def _visited(visit: Visit, link: Unsubscribing, work: Callable[[Tx, datetime], Awaitable[T]]) -> T:
    async def once() -> T:
        async with visit.database.transaction(
            [link.tenant_id], actor="unsubscribe", request_id=visit.request_id, traceparent=visit.traceparent
        ) as tx:
            [domain] = await visit.clocks.domains(tx, [link.tenant_id])
            return await work(tx, domain.now)

    return await again_on_clash(once)


def _page(reader: Customer, link: Unsubscribing, *, is_done: bool) -> HTMLResponse:
    language = language_of(reader.language)
    words = WORDS[language]
    heading = words["done" if is_done else "ask"].format(words[link.group])
    return _html(language, heading, words["rest"], "" if is_done else words["button"])


def _unknown() -> HTMLResponse:
    return _html(FALLBACK, WORDS[FALLBACK]["unknown"], "", "", status_code=404)


def _html(language: str, heading: str, said: str, button: str, *, status_code: int = 200) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    page = _pages.get_template("unsubscribe.html").render(
        language=language, heading=heading, said=said, button=button, nonce=nonce
    )
    return HTMLResponse(page, status_code=status_code, headers=page_headers(nonce=nonce))
