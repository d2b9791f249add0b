"""Promo codes redeemed: what a customer, or one of its subscriptions, has taken off."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Duration, PromoCode
from guilder.domain.catalog.rules.promotions import check_redeemable
from guilder.domain.invoicing import store
from guilder.domain.invoicing.events import DiscountRedeemed
from guilder.domain.invoicing.model import Discount
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def redeem(
    tx: Tx,
    *,
    customer_id: CustomerId,
    subscription_id: UUID | None,
    code: UUID | str,
    plan_id: UUID | None,
    product_id: UUID | None,
    is_first_purchase: bool,
    currency: str | None,
    now: datetime,
    field: str = "promo_code",
) -> Discount:
    """Redeem a promo code: from the next invoice on it takes something off, of one subscription or of the customer.

    The code is locked until the commit, so that its limits hold exactly, however many redeem it at once. `field` is where
    it was named.

    :raises NotFound: no such promo code
    :raises PromoExpired, PromoNotStarted, PromoUsedUp, PromoUsedUpByCustomer, PromoNotForPlan, PromoFirstPurchaseOnly,
        PromoWrongCurrency: as they say
    """
    named = await catalog.promo_code(tx, code=code)
    promo = (await catalog.lock_promo_codes(tx, codes=[named.id]))[named.id]
    check_redeemable(
        promo,
        now=now,
        plan_id=plan_id,
        product=product_id,
        is_first_purchase=is_first_purchase,
        redemptions_of_customer=await store.discounts.redeemed_count(
            tx, promo_code_id=promo.id, customer_id=customer_id
        ),
        currency=currency,
        field=field,
    )
    await catalog.count_redemptions(tx, promo_code_id=promo.id)
    made = await store.discounts.insert(tx, _made(promo, customer_id, subscription_id, now=now))
    event = DiscountRedeemed(
        tenant_id=made.tenant_id,
        discount_id=made.id,
        customer_id=customer_id,
        subscription_id=subscription_id,
        promo_code_id=promo.id,
        promo_code=promo.code,
    )
    outbox.announce(tx, [event], now=now)
    return made


async def discounts(tx: Tx, *, customer_id: CustomerId) -> list[Discount]:
    """List what a customer has redeemed, in the order in which it is applied; what is over too."""
    return await store.discounts.listing(tx, customer_id=customer_id)


async def end_discount(tx: Tx, *, discount_id: UUID, now: datetime) -> Discount:
    """Take nothing more off from here on. What is off invoices stays off. Twice changes nothing.

    :raises NotFound: no such discount
    """
    ref = Ref(tx.tenant_id, discount_id)
    if await store.discounts.lock(tx, ref) is None:
        raise NotFound("there is no such discount")
    await store.discounts.end(tx, ref, at=now)
    ended = await store.discounts.lock(tx, ref)
    assert ended is not None
    return ended


async def take_back_unused(tx: Tx, *, subscriptions: Sequence[Ref], now: datetime) -> None:
    """Give back what was redeemed for subscriptions that were never paid for, and so never began: the codes are there
    again, for their customers and for others. Twice changes nothing.
    """
    # The codes first, as whoever redeems does.
    await catalog.lock_promo_codes(tx, codes=await store.discounts.promo_codes_of(tx, subscriptions))
    taken = Counter(await store.discounts.take_back(tx, subscriptions, at=now))
    for promo_code_id, times in sorted(taken.items()):
        await catalog.count_redemptions(tx, promo_code_id=promo_code_id, by=-times)


def _made(promo: PromoCode, customer_id: CustomerId, subscription_id: UUID | None, *, now: datetime) -> Discount:
    periods = {Duration.ONCE: 1, Duration.PERIODS: promo.periods, Duration.FOREVER: None}
    return Discount(
        tenant_id=promo.tenant_id,
        id=ids.new(now),
        customer_id=customer_id,
        subscription_id=subscription_id,
        promo_code_id=promo.id,
        code=promo.code,
        name=promo.name,
        percent=promo.percent,
        amount=promo.amount,
        periods_left=periods[promo.duration],
        plan_ids=promo.plan_ids,
        redeemed_at=now,
        number=0,  # given when it is written
    )
