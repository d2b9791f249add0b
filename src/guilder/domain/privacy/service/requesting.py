"""Requests about a subject: asked for, granted, refused, withdrawn, done by hand; and read."""

from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.privacy.events import PrivacyRequestAsked, PrivacyRequestDone, PrivacyRequestRefused
from guilder.domain.privacy.model import Request, RequestKind, State, Step
from guilder.domain.privacy.rules import lifecycle as rules
from guilder.domain.privacy.service.exporting import want_export
from guilder.domain.privacy.store import requests as store
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class AskedAlready(Conflict):
    """This has been asked for, and is not done yet."""

    code = "asked_already"


class DoneByHand(Conflict):
    """An export or an erasure is carried out here: nobody can say that it is done."""

    code = "not_done_by_hand"


async def ask(
    tx: Tx,
    *,
    customer: str,
    kind: RequestKind,
    reason: str = "",
    ends_subscriptions: bool = False,
    only: CustomerId | None = None,
    now: datetime,
) -> Request:
    """Ask for something about a customer, to be answered within 30 days. An export begins at once; an erasure does when
    the tenant asks for it, and needs its grant when the customer's own user does (`only`: who asks is that customer).

    :raises NotFound: no such customer
    :raises CustomerIsErased: there is nothing of it any more
    :raises AskedAlready: the same is asked for, and not done
    """
    found = await customers.find(tx, text=customer, only=only, field="customer")
    if found.is_erased:
        raise customers.CustomerIsErased(field="customer")
    ref = customers.ref_of(found)
    await customers.lock(tx, refs=[ref])
    if any(each.kind is kind and each.done_at is None for each in await store.of_customer(tx, ref)):
        raise AskedAlready(field="kind")
    state = rules.first(kind, is_granted=only is None)
    request = Request(
        tenant_id=found.tenant_id,
        id=ids.new(now),
        customer_id=found.id,
        kind=kind,
        state=state,
        asked_by=tx.actor,
        asked_at=now,
        due_at=now + rules.ANSWER_WITHIN,
        granted_by=tx.actor if state is not State.ASKED else "",
        ends_subscriptions=ends_subscriptions and only is None,
        reason=reason,
        next_at=now if state is State.WAITING else None,
    )
    await store.insert(tx, request, now=now)
    if state is State.RUNNING:
        await want_export(tx, request, now=now)
    event = PrivacyRequestAsked(
        tenant_id=found.tenant_id,
        request_id=request.id,
        customer_id=found.id,
        kind=kind.value,
        due_at=request.due_at,
    )
    outbox.announce(tx, [event], now=now)
    return request


async def grant(tx: Tx, *, request_id: UUID, ends_subscriptions: bool = False, now: datetime) -> Request:
    """Let an erasure that a customer's user asked for be carried out.

    :raises NotFound: no such request
    :raises IllegalStep: it is not asked for any more
    :raises DoneByHand: it is no erasure
    """
    found = await _locked(tx, request_id)
    if found.kind is not RequestKind.ERASURE:
        raise DoneByHand
    moved = replace(_moved(found, Step.GRANT), granted_by=tx.actor, ends_subscriptions=ends_subscriptions, next_at=now)
    await store.save(tx, moved, now=now)
    return moved


async def refuse(tx: Tx, *, request_id: UUID, reason: str, legal_ground: str = "", now: datetime) -> Request:
    """Say that it will not be done, and why.

    :raises NotFound: no such request
    :raises IllegalStep: it runs, or is over
    """
    moved = _ended(_moved(await _locked(tx, request_id), Step.REFUSE), now=now)
    moved = replace(moved, outcome=reason, legal_ground=legal_ground)
    await store.save(tx, moved, now=now)
    outbox.announce(tx, [_told(PrivacyRequestRefused, moved)], now=now)
    return moved


async def cancel(tx: Tx, *, request_id: UUID, only: CustomerId | None = None, now: datetime) -> Request:
    """Take a request back before it has run.

    :raises NotFound: no such request, or another customer's
    :raises IllegalStep: it runs, or is over
    """
    moved = _ended(_moved(await _locked(tx, request_id, only=only), Step.CANCEL), now=now)
    await store.save(tx, moved, now=now)
    return moved


async def complete(tx: Tx, *, request_id: UUID, outcome: str, now: datetime) -> Request:
    """Note that a person did what was asked for: a rectification, a restriction, what followed an objection.

    :raises NotFound: no such request
    :raises DoneByHand: exports and erasures are carried out here
    :raises IllegalStep: it is over
    """
    found = await _locked(tx, request_id)
    if found.kind not in rules.BY_HAND:
        raise DoneByHand
    moved = replace(_ended(_moved(found, Step.FINISH), now=now), outcome=outcome)
    await store.save(tx, moved, now=now)
    outbox.announce(tx, [_told(PrivacyRequestDone, moved)], now=now)
    return moved


async def one(tx: Tx, *, request_id: UUID, only: CustomerId | None = None) -> Request:
    """Return a request; with `only`, if it is that customer's.

    :raises NotFound: no such request, or another customer's
    """
    found = await store.get(tx, request_id)
    return _seen(found, only)


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    kind: RequestKind | None = None,
    state: State | None = None,
) -> Page[Request]:
    rows = await store.listing(tx, query, customer_id=customer_id, kind=kind, state=state)
    return page_of(rows, query, lambda each: each.id)


async def _locked(tx: Tx, request_id: UUID, *, only: CustomerId | None = None) -> Request:
    return _seen(await store.get(tx, request_id, lock=True), only)


def _seen(found: Request | None, only: CustomerId | None) -> Request:
    if found is None or only not in (None, found.customer_id):
        raise NotFound("there is no such request")
    return found


def _moved(request: Request, step: Step) -> Request:
    return replace(request, state=lifecycle.take(rules.MOVES, request.state, step))


def _ended(request: Request, *, now: datetime) -> Request:
    return replace(request, done_at=now, next_at=None, waits_for=())


def _told(
    event: type[PrivacyRequestDone | PrivacyRequestRefused], request: Request
) -> PrivacyRequestDone | PrivacyRequestRefused:
    return event(
        tenant_id=request.tenant_id, request_id=request.id, customer_id=request.customer_id, kind=request.kind.value
    )
