"""Reading orders."""

from uuid import UUID

from guilder.domain.orders.model import Order, OrderKind, OrderStatus
from guilder.domain.orders.service.rolling import seen
from guilder.domain.orders.store import orders as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


async def one(tx: Tx, *, order_id: UUID, customer_id: CustomerId | None = None) -> Order:
    """Return an order; with `customer_id`, only if it is that customer's.

    :raises NotFound: no such order, or not that customer's
    """
    found = await store.get(tx, [Ref(tx.tenant_id, order_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such order")
    return found[0]


async def add_ons(tx: Tx, *, subscription_id: UUID, only: CustomerId | None = None) -> list[Subscription]:
    """Return what belongs to a subscription; what has ended too.

    :raises NotFound: no such subscription, or not theirs
    """
    parent = await seen(tx, subscription_id=subscription_id, only=only)
    return await subscriptions.add_ons(tx, parents=[parent.ref])


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    subscription_id: UUID | None = None,
    status: OrderStatus | None = None,
    kind: OrderKind | None = None,
) -> Page[Order]:
    rows = await store.listing(
        tx, query, customer_id=customer_id, subscription_id=subscription_id, status=status, kind=kind
    )
    return page_of(rows, query, lambda order: order.id)
