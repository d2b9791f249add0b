"""Two pages and a frame: the list, the list with a message beside it, and the message's own HTML, locked in."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import resources
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Path, Query
from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import Notification
from guilder.domain.notifications.service import Mailbox
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx
from guilder.platform.http.router import Router
from guilder.platform.http.session import Visit, Visiting
from guilder.platform.http.shield import page_headers

LIST_MAX = 100
ACTOR = "mailbox"

# A mail may show itself and open links in windows of their own; it may run, load and send nothing.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'self'; sandbox {SANDBOX}"
)
_FOLDER = resources.files("guilder.entrypoints.mailbox") / "templates"

T = TypeVar("T")
MessagePath = Annotated[str, Path(max_length=64)]
Wanted = Annotated[str | None, Query(max_length=64)]


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


_pages = Environment(loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def router(*, is_production: bool) -> Router:
    """Return the mailbox's routes: none of them in production."""
    made = Router(include_in_schema=False)
    if not is_production:
        made.get("/mailbox")(show_list)
        made.get("/mailbox/{message_id}")(show_message)
        made.get("/mailbox/{message_id}/body")(show_body)
    return made


async def show_list(visit: Visiting, tenant: Wanted = None, after: Wanted = None) -> Response:
    return _page(await _listed(visit, tenant, after), tenant, None)


async def show_message(
    visit: Visiting, message_id: MessagePath, tenant: Wanted = None, after: Wanted = None
) -> Response:
    chosen = await _one(visit, message_id)
    return _page(await _listed(visit, tenant, after), tenant, chosen)


async def show_body(visit: Visiting, message_id: MessagePath) -> Response:
    """Answer with the mail's own HTML, under a policy of its own, for the frame."""
    found = await _one(visit, message_id)
    html = found.content.html if found.content else ""
    # Its links open beside the mailbox: the pages they lead to refuse to be framed, and rightly.
    page = html.replace("<head>", '<head><base target="_blank">', 1)
    return HTMLResponse(page, headers={"Content-Security-Policy": _MAIL_POLICY})


async def _listed(visit: Visit, tenant: str | None, after: str | None) -> Mailbox:
    only = ids.from_text("ten", tenant) if tenant else None
    query = PageQuery(limit=LIST_MAX, after=ids.from_text("msg", after) if after else None)

    async def work(tx: Tx) -> Mailbox:
        return await notifications.mailbox(tx, query=query, only=TenantId(only) if only else None)

    return await _run(visit, work)


async def _one(visit: Visit, message_id: str) -> Notification:
    notification_id = ids.from_text("msg", message_id)
    if notification_id is None:
        raise NotFound

    async def work(tx: Tx) -> Notification:
        return await notifications.from_mailbox(tx, notification_id=notification_id)

    return await _run(visit, work)


async def _run(visit: Visit, work: Callable[[Tx], Awaitable[T]]) -> T:
    return await visit.database.run(work, actor=ACTOR, request_id=visit.request_id)


def _page(mailbox: Mailbox, tenant: str | None, chosen: Notification | None) -> Response:
    nonce = secrets.token_urlsafe(16)
    view: dict[str, Any] = {
        "nonce": nonce,
        "sandbox": SANDBOX,
        "tenants": sorted(mailbox.tenants.values(), key=lambda each: (each.name, each.slug)),
        "names": {key: each.name for key, each in mailbox.tenants.items()},
        "tenant": tenant or "",
        "items": mailbox.page.items,
        "next_after": mailbox.page.next_after,
        "chosen": chosen,
        "id_text": _id_text,
        "moment": _moment,
        "title": _title,
    }
    page = _pages.get_template("mailbox.html").render(view)
    return HTMLResponse(page, headers=page_headers(nonce=nonce, frame="'self'"))


def _id_text(prefix: str, value: UUID) -> str:
    return ids.to_text(prefix, value)


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _title(each: Notification) -> str:
    """Name a message in the list: its subject, or how an SMS begins, or what it is about while it is unwritten."""
    content = each.content
    return (content.subject or content.text) if content else each.kind.value.replace("_", " ").capitalize()
