"""Reading orders."""

from uuid import UUID

from guilder.domain.orders import store
from guilder.domain.orders.model import Order, OrderKind, OrderStatus
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
