"""Whether a promo code may be redeemed."""

from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.model import Product, PromoCode, PromoStatus
from guilder.kernel.errors import Invalid


class PromoNotStarted(Invalid):
    """This promo code cannot be redeemed yet."""

    code = "promo_not_started"


class PromoExpired(Invalid):
    """This promo code cannot be redeemed any more."""

    code = "promo_expired"


class PromoUsedUp(Invalid):
    """This promo code has been redeemed as often as it can be."""

    code = "promo_used_up"


class PromoUsedUpByCustomer(Invalid):
    """This customer has redeemed this promo code as often as one customer can."""

    code = "promo_used_up_by_customer"


class PromoNotForPlan(Invalid):
    """This promo code is for other plans."""

    code = "promo_not_for_plan"


class PromoFirstPurchaseOnly(Invalid):
    """This promo code is for a first purchase only."""

    code = "promo_first_purchase_only"


class PromoWrongCurrency(Invalid):
    """This promo code takes off an amount in another currency."""

    code = "promo_wrong_currency"


def check_redeemable(
    promo: PromoCode,
    *,
    now: datetime,
    plan_id: UUID | None,
    product: Product | UUID | None = None,
    is_first_purchase: bool,
    redemptions_of_customer: int,
    currency: str | None = None,
    field: str = "promo_code",
) -> None:
    """Let a code pass for a plan, or for a one-off product, in the currency that is paid in (None: not known yet).

    :raises PromoExpired: it is archived, or `ends_at` has come
    :raises PromoNotStarted: `starts_at` is still to come
    :raises PromoUsedUp: by everybody together; the count itself is exact in `count_redemptions` alone
    :raises PromoUsedUpByCustomer: by this customer
    :raises PromoNotForPlan: it is for some plans, and this is none of them
    :raises PromoFirstPurchaseOnly: the customer has bought before
    :raises PromoWrongCurrency: it takes off an amount, in another currency
    """
    if promo.status is PromoStatus.ARCHIVED or (promo.ends_at is not None and now >= promo.ends_at):
        raise PromoExpired(field=field)
    if promo.starts_at is not None and now < promo.starts_at:
        raise PromoNotStarted(field=field)
    if promo.redemptions_max is not None and promo.redemptions >= promo.redemptions_max:
        raise PromoUsedUp(field=field)
    per_customer = promo.redemptions_max_per_customer
    if per_customer is not None and redemptions_of_customer >= per_customer:
        raise PromoUsedUpByCustomer(field=field)
    # A code for some plans is for these alone: neither for others nor for products.
    if promo.plan_ids and plan_id not in promo.plan_ids:
        raise PromoNotForPlan("this promo code is for plans alone" if product else "", field=field)
    if promo.first_purchase_only and not is_first_purchase:
        raise PromoFirstPurchaseOnly(field=field)
    if promo.amount is not None and currency is not None and promo.amount.currency != currency:
        raise PromoWrongCurrency(f"this promo code takes off {promo.amount}, not {currency}", field=field)
