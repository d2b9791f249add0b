"""On which terms something is sold: the price that fits, how many may be had, whether there is a trial."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from guilder.domain.catalog.model import CYCLES, NewPrice, Plan, PlanContent, Price, Product
from guilder.domain.subscriptions.model import Subscription, Terms
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.kernel.errors import Invalid
from guilder.kernel.money import Money
from guilder.kernel.period import Interval

# With tax on top and a year of them added up, this still fits the columns by far.
AMOUNT_MINOR_MAX = 10**14
# A plan's limit of this code says how many of it may be had at most.
QUANTITY_LIMIT = "quantity"


class NoSuchPrice(Invalid):
    """This is not sold for that interval and currency."""

    code = "no_such_price"


class QuantityTooLarge(Invalid):
    """This is more than may be had at once."""

    code = "quantity_too_large"


class AmountTooLarge(Invalid):
    """This amount is larger than is billed at once."""

    code = "amount_too_large"


def price_of(plan: Plan, *, cycle: str | None, currency: str | None) -> Price:
    """Return the price of a plan for a cycle and a currency; where they are not said, of its first price.

    :raises NoSuchPrice: names the field
    """
    wanted = cycle or plan.prices[0].cycle
    price = plan.price_for(wanted, currency)
    if price is not None:
        return price
    if plan.price_for(wanted, None) is None:
        known = ", ".join(dict.fromkeys(each.cycle for each in plan.prices))
        raise NoSuchPrice(f"{plan.code} is not sold {wanted}; it is sold {known}", field="billing_cycle")
    raise NoSuchPrice(f"{plan.code} is not sold {wanted} in {currency}", field="currency")


def agreed(plan: Plan, price: Price, *, quantity: int) -> Terms:
    """Put in terms what is agreed to.

    :raises QuantityTooLarge: the plan has a limit of code `quantity`, and this is above it
    :raises AmountTooLarge: the sum is more than is billed at once
    """
    limit = next((each.included for each in plan.limits if each.code == QUANTITY_LIMIT), None)
    if limit is not None and quantity > limit:
        raise QuantityTooLarge(f"{plan.code} can be had {limit} times at most", field="quantity")
    if price.unit_amount.minor * quantity > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(field="quantity")
    return Terms(
        plan_id=plan.id,
        plan_code=plan.code,
        plan_version=plan.version,
        plan_name=plan.name,
        billing_cycle=price.cycle,
        interval=price.interval,
        unit_amount=price.unit_amount,
        quantity=quantity,
    )


def with_quantity(terms: Terms, quantity: int) -> Terms:
    return replace(terms, quantity=quantity)


def price_of_product(product: Product, *, currency: str | None) -> Money:
    """Return what a product costs, in a currency or in its first one.

    :raises NoSuchPrice: it is not sold in that currency
    """
    fitting = [price for price in product.prices if currency in (None, price.currency)]
    if not fitting:
        raise NoSuchPrice(f"{product.code} is not sold in {currency}", field="currency")
    return fitting[0]


def checked_amount(amount: Money) -> Money:
    """Let an amount pass that somebody named.

    :raises AmountTooLarge: it is more than is billed at once
    """
    if amount.minor > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(field="amount")
    return amount


def trial_days(plan: Plan, *, asked: int | None, had: Sequence[Subscription]) -> int:
    """Return how long the trial is: what staff says, else the plan's own, once for each customer and plan."""
    if asked is not None:
        return asked
    return 0 if had_trial(had, plan.id) else plan.trial_days


def had_trial(had: Sequence[Subscription], plan_id: UUID) -> bool:
    return any(each.terms.plan_id == plan_id and each.trial_ends_at is not None for each in had)


def live(had: Sequence[Subscription], plan_id: UUID) -> Subscription | None:
    """Return the subscription to this plan that has not ended, if there is one."""
    return next((each for each in had if each.terms.plan_id == plan_id and each.status not in FINAL), None)


def ad_hoc(*, name: str, amount: Money, interval: Interval) -> PlanContent:
    """Make a plan of an amount that is to be paid again and again."""
    price = NewPrice(interval=interval, unit_amount=amount, cycle=cycle_name(interval))
    return PlanContent(name=name, description="", prices=(price,), features=(), limits=(), trial_days=0)


def cycle_name(interval: Interval) -> str:
    """Name an interval as the catalog does: `monthly`, or `every_3_weeks`."""
    named = {known: cycle.value for cycle, known in CYCLES.items()}
    return named.get(interval) or f"every_{interval.count}_{interval.unit.value}s"
