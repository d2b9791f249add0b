"""Promo codes for what one has already: redeeming, listing, ending."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Discount
from guilder.domain.orders.rules import starting
from guilder.domain.orders.service.rolling import rolled, seen
from guilder.domain.orders.store import orders as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx


class SubscriptionHasEnded(Conflict):
    """No invoice is to come that something could be taken off."""

    code = "subscription_has_ended"


async def redeem(tx: Tx, *, subscription_id: UUID, code: str, now: datetime) -> Discount:
    """Redeem a promo code for a subscription: from its next invoice on it takes something off.

    :raises NotFound: no such subscription or promo code; names the field
    :raises Invalid: the code cannot be redeemed; says why, and names the field
    :raises SubscriptionHasEnded: there is no next invoice
    """
    subscription = await rolled(tx, subscription_id=subscription_id, only=None, now=now)
    if subscription.ended_at is not None:
        raise SubscriptionHasEnded
    had = await subscriptions.of_customer(tx, customer_id=subscription.customer_id)
    others = [each for each in had if each.id != subscription.id]
    has_bought = bool(await store.have_bought(tx, [subscription.customer_id]))
    return await redeemed(
        tx,
        subscription,
        code=code,
        is_first_purchase=starting.is_first_purchase(others, has_bought=has_bought),
        now=now,
        field="code",
    )


async def redeemed(
    tx: Tx, subscription: Subscription, *, code: str, is_first_purchase: bool, now: datetime, field: str = "promo_code"
) -> Discount:
    """Redeem a code for a subscription that is held; `field` is where it was named.

    :raises NotFound: no such promo code; names the field
    """
    try:
        return await invoicing.redeem(
            tx,
            customer_id=subscription.customer_id,
            subscription_id=subscription.id,
            code=code,
            plan_id=subscription.terms.plan_id,
            product_id=None,
            is_first_purchase=is_first_purchase,
            currency=subscription.terms.currency,
            now=now,
            field=field,
        )
    except NotFound as error:
        raise NotFound("there is no such promo code", field=field) from error


async def discounts(tx: Tx, *, subscription_id: UUID, only: CustomerId | None = None) -> Sequence[Discount]:
    """List what is taken off the invoices of a subscription, in order; what is over too.

    :raises NotFound: no such subscription, or not theirs
    """
    subscription = await seen(tx, subscription_id=subscription_id, only=only)
    own = await invoicing.discounts(tx, customer_id=subscription.customer_id)
    return [each for each in own if each.subscription_id in (None, subscription.id)]


async def end_discount(tx: Tx, *, subscription_id: UUID, discount_id: UUID, now: datetime) -> Discount:
    """Take nothing more off from here on. What is off invoices stays off.

    :raises NotFound: no such subscription, or it has no such discount
    """
    if all(each.id != discount_id for each in await discounts(tx, subscription_id=subscription_id)):
        raise NotFound("there is no such discount")
    return await invoicing.end_discount(tx, discount_id=discount_id, now=now)
