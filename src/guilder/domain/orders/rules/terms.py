"""On which terms something is sold: the price that fits, how many may be had, whether there is a trial."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from guilder.domain.catalog.model import (
    CYCLES,
    Alignment,
    AnchorRule,
    Basis,
    Billing,
    Collection,
    NewPrice,
    Plan,
    PlanContent,
    Price,
    PriceModel,
    Product,
)
from guilder.domain.catalog.rules import checking, rating
from guilder.domain.catalog.rules.rating.pricing import FEE_MODELS
from guilder.domain.subscriptions.model import ChargeOverride, Past, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import periods
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.kernel.errors import Invalid
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
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


class NoSuchCharge(Invalid):
    """The plan does not charge for this."""

    code = "no_such_charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What one subscription has of its own, instead of what its plan says; None is as the plan says."""

    unit_amount: int | None = None
    model: PriceModel | None = None
    charges: tuple[ChargeOverride, ...] = ()
    alignment: Alignment | None = None
    billing_day: int | None = None
    basis: Basis | None = None
    interval_change: AnchorRule | None = None
    collection: Collection | None = None
    net_days: int | None = None

    def billing_of(self, billing: Billing) -> Billing:
        """Return how a plan is billed, with what is different here."""
        if self.alignment is not None:
            billing = replace(billing, alignment=self.alignment, billing_day=self.billing_day)
        elif self.billing_day is not None:
            billing = replace(billing, alignment=Alignment.BILLING_DAY, billing_day=self.billing_day)
        return replace(
            billing,
            basis=self.basis or billing.basis,
            interval_change=self.interval_change or billing.interval_change,
            collection=self.collection or billing.collection,
            net_days=billing.net_days if self.net_days is None else self.net_days,
        )


def own_of(terms: Terms, plan: Plan) -> Own:
    """Return what of the way these terms are billed is not the plan's: it goes along to another plan."""
    has, said = terms.billing, plan.billing
    is_moved = (has.alignment, has.billing_day) != (said.alignment, said.billing_day)
    return Own(
        alignment=has.alignment if is_moved else None,
        billing_day=has.billing_day if is_moved else None,
        basis=has.basis if has.basis is not said.basis else None,
        interval_change=has.interval_change if has.interval_change is not said.interval_change else None,
        collection=has.collection if has.collection is not said.collection else None,
        net_days=has.net_days if has.net_days != said.net_days else None,
    )


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


def agreed(plan: Plan, price: Price, *, quantity: int, own: Own | None = None) -> Terms:
    """Put in terms what is agreed to; `own` is what of it is different from the plan.

    :raises QuantityTooLarge: the plan has a limit of code `quantity`, and this is above it
    :raises AmountTooLarge: the sum is more than is billed at once
    :raises Invalid: what is its own contradicts itself or the plan; names the field
    """
    own = own or Own()
    check_quantity(plan, quantity)
    unit_amount = price.unit_amount if own.unit_amount is None else Money(own.unit_amount, price.unit_amount.currency)
    model = own.model or (price.model if own.unit_amount is None else None)
    billing = own.billing_of(plan.billing)
    if billing != plan.billing:
        checking.check_billing(billing, intervals=[price.interval])
    return with_quantity(
        Terms(
            plan_id=plan.id,
            plan_code=plan.code,
            plan_version=plan.version,
            plan_name=plan.name,
            billing_cycle=price.cycle,
            interval=price.interval,
            unit_amount=unit_amount,
            model=model,
            billing=billing,
            has_charges=bool(plan.charges),
            overrides=_checked_overrides(plan, own),
            trial_days=plan.trial_days,
        ),
        quantity,
    )


def check_quantity(plan: Plan, quantity: int) -> None:
    """Let a quantity pass that the plan can be had in.

    :raises QuantityTooLarge: the plan has a limit of code `quantity`, and this is above it
    """
    limit = next((each.included for each in plan.limits if each.code == QUANTITY_LIMIT), None)
    if limit is not None and quantity > limit:
        raise QuantityTooLarge(f"{plan.code} can be had {limit} times at most", field="quantity")


def with_quantity(terms: Terms, quantity: int) -> Terms:
    """Agree to another quantity at the same price.

    :raises AmountTooLarge: the sum is more than is billed at once
    """
    if terms.unit_amount.minor * quantity > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(field="quantity")
    full = _by_model(terms.model, quantity, terms.currency) if terms.model else None
    if full is not None and full.minor > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(field="quantity")
    return replace(terms, quantity=quantity, full_amount=full)


def _by_model(model: PriceModel, quantity: int, currency: str) -> Money:
    return rating.rate(model, quantity=Decimal(quantity), currency=currency).amount


def _checked_overrides(plan: Plan, own: Own) -> tuple[ChargeOverride, ...]:
    if own.model is not None:
        checking.check_model(own.model, field="price_model")
        if own.model.model not in FEE_MODELS:
            raise Invalid("this prices use, not a recurring fee", field="price_model")
    known = {charge.code for charge in plan.charges}
    for number, each in enumerate(own.charges):
        if each.charge not in known:
            raise NoSuchCharge(f"{plan.code} has no charge {each.charge}", field=f"charges[{number}].charge")
        checking.check_model(each.model, field=f"charges[{number}]")
    return own.charges


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


def trial_days(
    plan: Plan, *, asked: int | None, had: Sequence[Subscription], tried: AbstractSet[UUID] = frozenset()
) -> int:
    """Return how long the trial is: what staff says, else the plan's own, once for each customer and plan."""
    if asked is not None:
        return asked
    return 0 if had_trial(had, plan.id, tried=tried) else plan.trial_days


def had_trial(had: Sequence[Subscription], plan_id: UUID, *, tried: AbstractSet[UUID] = frozenset()) -> bool:
    """Say whether a customer has had a trial of a plan; `tried` are the plans that its trials were of before a change. One
    that was called off before it began was not had."""
    return plan_id in tried or any(
        each.terms.plan_id == plan_id and each.trial_ends_at is not None and not periods.never_began(each)
        for each in had
    )


def tried(history: Iterable[Past]) -> frozenset[UUID]:
    """Return the plans that a trial was of."""
    return frozenset(each.terms.plan_id for each in history if each.status is Status.TRIALING)


def live(had: Sequence[Subscription], plan_id: UUID, *, parent_id: UUID | None = None) -> Subscription | None:
    """Return the subscription that has this plan, or is going to, and has not ended, if there is one; of an add-on, beside
    this parent."""
    return next(
        (
            each
            for each in had
            if plan_id in _plans_of(each) and each.parent_id == parent_id and each.status not in FINAL
        ),
        None,
    )


def _plans_of(subscription: Subscription) -> set[UUID]:
    """Return the plan that it has, and the one that is planned for it."""
    both = (subscription.terms, subscription.pending_terms)
    return {terms.plan_id for terms in both if terms is not None}


def ad_hoc(*, name: str, amount: Money, interval: Interval) -> PlanContent:
    """Make a plan of an amount that is to be paid again and again."""
    price = NewPrice(interval=interval, unit_amount=amount, cycle=cycle_name(interval))
    return PlanContent(name=name, description="", prices=(price,), features=(), limits=(), trial_days=0)


def cycle_name(interval: Interval) -> str:
    """Name an interval as the catalog does: `monthly`, or `every_3_weeks`."""
    named = {known: cycle.value for cycle, known in CYCLES.items()}
    return named.get(interval) or f"every_{interval.count}_{interval.unit.value}s"
