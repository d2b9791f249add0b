"""Finding a subscription for whoever asks, as it is today."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders.model import OrderStatus
from guilder.domain.orders.service.abandoning import void
from guilder.domain.orders.store import orders as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.tx import Tx


async def seen(tx: Tx, *, subscription_id: UUID, only: CustomerId | None) -> Subscription:
    """Return a subscription that whoever asks may see.

    :raises NotFound: no such subscription, or not theirs
    """
    ref = Ref(tx.tenant_id, subscription_id)
    found = (await subscriptions.get(tx, refs=[ref])).get(ref)
    if found is None or only not in (None, found.customer_id):
        raise NotFound("there is no such subscription")
    return found


async def rolled(tx: Tx, *, subscription_id: UUID, only: CustomerId | None, now: datetime) -> Subscription:
    """Return a subscription as it is today, held with its customer until the commit: what is due of it, and of what
    belongs to it, is rolled and billed first.

    :raises NotFound: no such subscription, or not theirs
    """
    found = await seen(tx, subscription_id=subscription_id, only=only)
    await customers.lock(tx, refs=[Ref(found.tenant_id, found.customer_id)])
    add_ons = await subscriptions.add_ons(tx, parents=[found.ref])
    await invoicing.bill_due(tx, refs=[found.ref, *(each.ref for each in add_ons)], now=now)
    return await subscriptions.lock(tx, ref=found.ref)


async def take_back_unpaid(tx: Tx, subscription: Subscription, *, now: datetime) -> None:
    """Take back what still waits for its payment by link: what is wished for last is what counts."""
    await _take_back(tx, [subscription.ref], now=now)


async def take_back_unpaid_beside(tx: Tx, parent: Subscription, *, now: datetime) -> None:
    """Take back what waits for its payment of what ends, or pauses, with `parent`."""
    await _take_back(tx, [each.ref for each in await subscriptions.add_ons(tx, parents=[parent.ref])], now=now)


async def _take_back(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    orders = await store.lock_by_subscription(tx, refs)
    waiting = [o for o in orders if o.status is OrderStatus.PROCESSING and o.pending_terms is not None]
    await void(tx, waiting, now=now)


async def void_unpaid(tx: Tx, subscription: Subscription, *, now: datetime) -> None:
    """Take back the first invoice of what was never paid for."""
    orders = await store.lock_by_subscription(tx, [subscription.ref])
    await void(tx, [o for o in orders if o.status is OrderStatus.PROCESSING and o.invoice_id is not None], now=now)
