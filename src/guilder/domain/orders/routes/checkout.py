"""The payment page: public, and open to whoever has its address; the token in it is the authority."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from guilder.domain.orders import service
from guilder.domain.orders.model import Checkout
from guilder.domain.orders.routes.page import Refresh, notice, page
from guilder.domain.orders.rules.checkout import State, state_of
from guilder.domain.orders.rules.links import BadLink, Link
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.http.retries import again_on_clash
from guilder.platform.http.router import Router
from guilder.platform.http.session import Visit, Visiting
from guilder.platform.words import FALLBACK, language_of

T = TypeVar("T")

WAIT_S = 3.0
LOOK_EVERY_S = 0.15
FORM_MAX = 10_000

router = Router(include_in_schema=False)


@router.get("/checkout/{token}")
async def show(
    visit: Visiting,
    token: str,
    back: Annotated[str | None, Query()] = None,
    done: Annotated[str | None, Query()] = None,
    opening: Annotated[str | None, Query()] = None,
) -> Response:
    """Show what is owed and how its payment stands; while something is under way, look again by itself."""
    try:
        link = _link(visit, token)
        found = await _visited(visit, link, lambda tx, now: service.checkout(tx, link=link, now=now))
    except NotFound:
        return notice("unknown", status_code=404)
    path = f"/checkout/{token}"
    state = _state(found, is_back=back is not None, is_done=done is not None)
    if opening is not None and state is State.CONTINUE and found.payment is not None:
        # Whoever has pressed the button waits for the provider's page, and is taken there when it is ready.
        return RedirectResponse(found.payment.action_url, 303)
    refresh = None
    if state is State.OPENING:
        refresh = Refresh(f"{path}?opening=1")
    elif state is State.PROCESSING and done is not None:
        refresh = Refresh(f"{path}?done=1")
    elif state is State.PROCESSING and back is not None:
        refresh = Refresh(f"{path}?back=1")
    return page(found, state, path=path, refresh=refresh)


@router.get("/payment-methods/back")
async def show_saved(
    language: Annotated[str, Query(max_length=35)] = FALLBACK,
    done: Annotated[str | None, Query()] = None,
    redirect_status: Annotated[str | None, Query()] = None,
) -> Response:
    """Take in whoever comes back from saving a payment method, where nobody has said where they are to go.

    Who was led to their bank comes back to one address, whatever came of it there: `redirect_status` says that.
    """
    spoken = language_of(language)
    if done is None and redirect_status != "succeeded":
        return notice("not_saved", status_code=200, language=spoken, tone="calm")
    return notice("saved", status_code=200, language=spoken, tone="good")


@router.post("/checkout/{token}/pay", raw_body=True, body_max=FORM_MAX)
async def pay(visit: Visiting, token: str) -> Response:
    """Have the provider's page prepared, and lead there as soon as it is.

    A form of any page may be posted here, and changes nothing that its address does not entitle to: it opens a page on
    which somebody can pay.
    """
    path = f"/checkout/{token}"
    try:
        link = _link(visit, token)
        found = await _visited(visit, link, lambda tx, now: service.checkout(tx, link=link, now=now))
        if found.is_expired:
            return RedirectResponse(path, 303)
        await _visited(visit, link, lambda tx, now: _open(tx, link, f"{visit.base_url}{path}?back=1", now=now))
    except NotFound:
        return notice("unknown", status_code=404)
    except Conflict as refused:
        if isinstance(refused, service.CannotBePaidHere):
            return RedirectResponse(path, 303)  # the page says why
        return notice("busy", status_code=503)
    action_url = await _await_page(visit, link)
    return RedirectResponse(action_url or f"{path}?opening=1", 303)


async def _open(tx: Tx, link: Link, return_url: str, *, now: datetime) -> None:
    await service.open_checkout(tx, invoice_id=link.invoice_id, return_url=return_url, now=now)


async def _await_page(visit: Visit, link: Link) -> str | None:
    """Wait a little for the provider's page, looking in transactions of their own; None if it takes longer."""
    invoice = Ref(link.tenant_id, link.invoice_id)

    async def look(tx: Tx, _: datetime) -> Payment | None:
        return (await payments.current(tx, invoices=[invoice])).get(invoice)

    for _ in range(int(WAIT_S / LOOK_EVERY_S)):
        found = await _visited(visit, link, look)
        if found is not None and (found.action_url or found.is_by_hand):
            # What is paid by transfer has no page but ours.
            return found.action_url or None
        await asyncio.sleep(LOOK_EVERY_S)
    return None


def _link(visit: Visit, token: str) -> Link:
    vault = visit.database.vault
    if vault is None:
        raise BadLink
    return service.read_link(vault, token=token)


async def _visited(visit: Visit, link: Link, work: Callable[[Tx, datetime], Awaitable[T]]) -> T:
    """Do something in a transaction of the link's tenant, at its present."""

    async def once() -> T:
        async with visit.database.transaction(
            [link.tenant_id], actor="checkout", request_id=visit.request_id, traceparent=visit.traceparent
        ) as tx:
            [domain] = await visit.clocks.domains(tx, [link.tenant_id])
            return await work(tx, domain.now)

    return await again_on_clash(once)


def _state(found: Checkout, *, is_back: bool, is_done: bool) -> State:
    return state_of(found.invoice, found.payment, is_expired=found.is_expired, is_back=is_back, is_done=is_done)
