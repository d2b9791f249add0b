"""Reading and holding subscriptions."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


class StillDue(Conflict):
    """The subscription has a period that ended and is not billed yet; roll it first."""

    code = "subscription_still_due"


class IsBilledElsewhere(Conflict):
    """The provider bills this subscription itself: change it there, and it changes here."""

    code = "billed_elsewhere"


class DateIsPast(Invalid):
    """That date is not in the future."""

    code = "date_is_past"


async def get(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Subscription]:
    return {s.ref: s for s in await store.get(tx, refs)}


async def trials_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """Return those of `refs` that are in a trial, and whose next step is due."""
    return await store.trials_due(tx, refs, now=now)


async def one(tx: Tx, *, ref: Ref) -> Subscription:
    """Return a subscription.

    :raises NotFound: no such subscription
    """
    found = await store.get(tx, [ref])
    if not found:
        raise NotFound("there is no such subscription")
    return found[0]


async def lock(tx: Tx, *, ref: Ref) -> Subscription:
    """Return a subscription, held until the transaction ends.

    :raises NotFound: no such subscription
    """
    found = await store.lock(tx, [ref])
    if not found:
        raise NotFound("there is no such subscription")
    return found[0]


async def hold(tx: Tx, *, refs: Sequence[Ref]) -> list[Subscription]:
    """Return those of these subscriptions that there are, held until the transaction ends."""
    return await store.lock(tx, refs)


async def of_customers(tx: Tx, *, customers: Sequence[Ref]) -> list[Subscription]:
    """Return the subscriptions of these customers, ended ones too."""
    return await store.of_customers(tx, customers) if customers else []


async def of_customer(tx: Tx, *, customer_id: CustomerId) -> list[Subscription]:
    return await store.of_customer(tx, customer_id)


async def of_organization(tx: Tx, *, organization_id: str) -> list[Subscription]:
    """Return an organization's subscriptions, newest first."""
    return await store.of_organization(tx, organization_id)


async def add_ons(tx: Tx, *, parents: Sequence[Ref]) -> list[Subscription]:
    """Return what belongs to these subscriptions, ended ones too."""
    return await store.add_ons(tx, parents)


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    organization_id: str | None = None,
    status: Status | None = None,
) -> Page[Subscription]:
    rows = await store.listing(tx, query, customer_id=customer_id, organization_id=organization_id, status=status)
    return page_of(rows, query, lambda s: s.id)


async def current(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    """Return a subscription as it is now, held until the transaction ends.

    :raises NotFound: no such subscription
    :raises StillDue: it, or what it belongs to, has to be rolled first
    :raises IsBilledElsewhere: it is not ours to change
    """
    subscription = await lock(tx, ref=ref)
    if subscription.billed_by is not None:
        raise IsBilledElsewhere
    check_rolled(subscription, now=now)
    if subscription.parent_id is not None:
        # What is due of the parent may end or pause the add-on, at an instant that is past.
        parent = Ref(subscription.tenant_id, subscription.parent_id)
        if await store.due_among(tx, [parent], now=now):
            raise StillDue
    return subscription


def check_rolled(subscription: Subscription, *, now: datetime) -> None:
    if subscription.next_due_at is not None and subscription.next_due_at <= now:
        raise StillDue


def check_future(at: datetime, *, now: datetime, field: str) -> None:
    if at <= now:
        raise DateIsPast(field=field)
