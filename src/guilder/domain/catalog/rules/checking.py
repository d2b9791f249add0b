"""What a plan, a meter or a promo code may say. Each refusal names the field at fault."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from guilder.domain.catalog.model import (
    Aggregation,
    Alignment,
    Billing,
    Charge,
    ChargeModel,
    Duration,
    NewMeter,
    NewPromoCode,
    PlanContent,
    PriceModel,
    TaxRate,
    Tier,
)
from guilder.domain.catalog.rules.rating.pricing import FEE_MODELS, INCLUDABLE
from guilder.kernel.errors import Invalid
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit

CHARGES_MAX = 50
TIERS_MAX = 100
CELLS_MAX = 1_000
DIMENSIONS_MAX = 5
FILTERS_MAX = 10
FILTER_VALUES_MAX = 100
GROUP_BY_MAX = 5
THRESHOLDS_MAX = 20
GRACE_DAYS_MAX = 90
NET_DAYS_MAX = 365
PERIODS_MAX = 1_200
AMOUNT_MAX = Decimal(10**14)  # minor units
QUANTITY_MAX = Decimal(10**18)
PERCENT_MAX = Decimal(1_000)

_TIERED = frozenset({ChargeModel.GRADUATED, ChargeModel.VOLUME, ChargeModel.GRADUATED_PERCENTAGE})
# Which fields of a model count, beside its name. What it has no use for must be left out: it would mean nothing.
_FIELDS: dict[ChargeModel, frozenset[str]] = {
    ChargeModel.FLAT: frozenset({"unit_amount"}),
    ChargeModel.PER_UNIT: frozenset({"unit_amount", "free_units"}),
    ChargeModel.GRADUATED: frozenset({"tiers"}),
    ChargeModel.VOLUME: frozenset({"tiers"}),
    ChargeModel.PACKAGE: frozenset({"unit_amount", "free_units", "package_size"}),
    ChargeModel.PERCENTAGE: frozenset({"percent", "fixed_amount", "free_events", "free_value"}),
    ChargeModel.GRADUATED_PERCENTAGE: frozenset({"tiers"}),
    ChargeModel.DYNAMIC: frozenset({"free_units"}),
    ChargeModel.MATRIX: frozenset({"unit_amount", "free_units", "dimensions", "cells"}),
}
assert set(_FIELDS) == set(ChargeModel)
_ALL_FIELDS = sorted(frozenset[str]().union(*_FIELDS.values()))
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}


class BadPrice(Invalid):
    """A price like this cannot be worked out."""

    code = "bad_price"


class BadBilling(Invalid):
    """A plan cannot be billed like this."""

    code = "bad_billing"


class BadCharge(Invalid):
    """Use cannot be charged like this."""

    code = "bad_charge"


class BadMeter(Invalid):
    """Nothing can be measured like this."""

    code = "bad_meter"


class BadTaxRate(Invalid):
    """No tax can be owed like this."""

    code = "bad_tax_rate"


class BadPromoCode(Invalid):
    """Nothing can be taken off like this."""

    code = "bad_promo_code"


def check_plan(content: PlanContent) -> None:
    """Let the content of a plan pass.

    :raises BadPrice: a model is ill-formed, or none for a recurring fee
    :raises BadBilling: options that contradict each other, or the prices
    :raises BadCharge: a charge is ill-formed
    """
    for n, price in enumerate(content.prices):
        if price.model is not None:
            check_model(price.model, field=f"prices[{n}]")
            _need(
                price.model.model in FEE_MODELS, BadPrice, f"prices[{n}].model", "is for use, not for a recurring fee"
            )
    intervals = [price.interval for price in content.prices]
    check_billing(content.billing, intervals=intervals)
    _need(len(content.charges) <= CHARGES_MAX, BadCharge, "charges", f"has more than {CHARGES_MAX} charges")
    _each_once([charge.code for charge in content.charges], BadCharge, "charges", "code")
    currencies = {price.unit_amount.currency for price in content.prices}
    for n, charge in enumerate(content.charges):
        check_charge(charge, field=f"charges[{n}]")
        priced = {price.currency for price in charge.prices}
        missing = sorted(currencies - priced)
        _need(not missing, BadCharge, f"charges[{n}].prices", f"has no price in {', '.join(missing)}, as the plan has")


def check_model(model: PriceModel, *, field: str = "model") -> None:
    """Let a price model pass.

    :raises BadPrice: names the field within `field`
    """
    blank = PriceModel(model=model.model)
    for name in _ALL_FIELDS:
        is_said = getattr(model, name) != getattr(blank, name)
        is_used = name in _FIELDS[model.model]
        _need(is_used or not is_said, BadPrice, f"{field}.{name}", f"means nothing for the model {model.model.value}")
    for name, largest in (
        ("unit_amount", AMOUNT_MAX),
        ("fixed_amount", AMOUNT_MAX),
        ("free_units", QUANTITY_MAX),
        ("free_value", QUANTITY_MAX),
        ("percent", PERCENT_MAX),
    ):
        _within(getattr(model, name), largest, f"{field}.{name}")
    _need(model.free_events >= 0, BadPrice, f"{field}.free_events", "is negative")
    _need(0 < model.package_size <= QUANTITY_MAX, BadPrice, f"{field}.package_size", "has to be more than 0")
    if model.model in _TIERED:
        _check_tiers(model, field)
    if model.model is ChargeModel.MATRIX:
        _check_matrix(model, field)


def check_charge(charge: Charge, *, field: str) -> None:
    """Let a charge pass.

    :raises BadCharge: names the field within `field`
    :raises BadPrice: so does this
    """
    _need(bool(charge.prices), BadCharge, f"{field}.prices", "is empty")
    _each_once([price.currency for price in charge.prices], BadCharge, f"{field}.prices", "currency")
    for n, price in enumerate(charge.prices):
        at = f"{field}.prices[{n}]"
        check_model(price.model, field=at)
        _need(price.cap_minor is None or price.cap_minor >= 0, BadCharge, f"{at}.cap_amount", "is negative")
        includable = price.model.model in INCLUDABLE
        _need(includable or not charge.included, BadCharge, f"{field}.included", _not_includable(price.model))
    _within(charge.included, QUANTITY_MAX, f"{field}.included")
    _need(len(charge.filters) <= FILTERS_MAX, BadCharge, f"{field}.filters", f"names more than {FILTERS_MAX}")
    _each_once([name for name, _ in charge.filters], BadCharge, f"{field}.filters", "property")
    for name, values in charge.filters:
        at = f"{field}.filters.{name}"
        _need(0 < len(values) <= FILTER_VALUES_MAX, BadCharge, at, f"needs 1 to {FILTER_VALUES_MAX} values")
    _need(len(charge.group_by) <= GROUP_BY_MAX, BadCharge, f"{field}.group_by", f"names more than {GROUP_BY_MAX}")
    _each_once(charge.group_by, BadCharge, f"{field}.group_by", "property")


def check_billing(billing: Billing, *, intervals: Sequence[Interval]) -> None:
    """Let the options of a plan pass.

    :raises BadBilling: names the field within `billing`
    """
    needs_day = billing.alignment is Alignment.BILLING_DAY
    at = "billing.billing_day"
    _need((billing.billing_day is not None) == needs_day, BadBilling, at, "goes with the alignment billing_day, always")
    _need(billing.billing_day is None or 1 <= billing.billing_day <= 31, BadBilling, at, "has to be 1 to 31")
    _check_alignment(billing.alignment, intervals)
    if billing.usage_interval is not None:
        fits = all(divides(billing.usage_interval, each) for each in intervals)
        _need(
            fits,
            BadBilling,
            "billing.usage_interval",
            "has to go into the interval of every price a whole number of times",
        )
    _need(
        0 <= billing.grace_days <= GRACE_DAYS_MAX, BadBilling, "billing.grace_days", f"has to be 0 to {GRACE_DAYS_MAX}"
    )
    net_days_fit = billing.net_days is None or 0 <= billing.net_days <= NET_DAYS_MAX
    _need(net_days_fit, BadBilling, "billing.net_days", f"has to be 0 to {NET_DAYS_MAX}")
    _each_once([each.currency for each in billing.commitments], BadBilling, "billing.commitments", "currency")
    for n, least in enumerate(billing.commitments):
        _need(least.minor > 0, BadBilling, f"billing.commitments[{n}].amount", "has to be more than 0")
    _check_thresholds(billing.progressive)


def divides(part: Interval, whole: Interval) -> bool:
    """Say whether a whole number of `part` makes one `whole`: months and years, or days and weeks, among themselves."""
    for lengths in (_MONTHS, _DAYS):
        if part.unit in lengths and whole.unit in lengths:
            return (lengths[whole.unit] * whole.count) % (lengths[part.unit] * part.count) == 0
    return False


def check_meter(meter: NewMeter) -> None:
    """Let a meter pass.

    :raises BadMeter: it counts, and yet names a property; or names none, and yet counts what is different
    """
    if meter.aggregation is Aggregation.COUNT:
        _need(not meter.property, BadMeter, "property", "is not looked at by a meter that counts events")
    if meter.aggregation is Aggregation.UNIQUE_COUNT:
        _need(bool(meter.property), BadMeter, "property", "has to say what is counted once")


def check_promo_code(promo: NewPromoCode) -> None:
    """Let a promo code pass.

    :raises BadPromoCode: names the field
    """
    either = (promo.percent is None) != (promo.amount is None)
    _need(either, BadPromoCode, "percent", "or else an amount has to be there, and not both")
    _need(promo.percent is None or 0 < promo.percent <= 100, BadPromoCode, "percent", "has to be above 0, up to 100")
    _need(promo.amount is None or promo.amount.minor > 0, BadPromoCode, "amount", "has to be more than 0")
    takes_periods = promo.duration is Duration.PERIODS
    _need(
        (promo.periods is not None) == takes_periods, BadPromoCode, "periods", "goes with the duration periods, always"
    )
    periods_fit = promo.periods is None or 1 <= promo.periods <= PERIODS_MAX
    _need(periods_fit, BadPromoCode, "periods", f"has to be 1 to {PERIODS_MAX}")
    if promo.starts_at is not None and promo.ends_at is not None:
        _need(promo.starts_at < promo.ends_at, BadPromoCode, "ends_at", "has to be after starts_at")
    for name in ("redemptions_max", "redemptions_max_per_customer"):
        limit = getattr(promo, name)
        _need(limit is None or limit >= 1, BadPromoCode, name, "has to be 1 or more")


def check_tax_rate(rate: TaxRate) -> None:
    """Let a tax rate pass.

    :raises BadTaxRate: names the field
    """
    exponent = rate.percent.as_tuple().exponent
    _need(0 <= rate.percent <= 100, BadTaxRate, "percent", "has to be 0 to 100")
    _need(isinstance(exponent, int) and exponent >= -4, BadTaxRate, "percent", "has more than 4 digits after the point")
    _need(not rate.region or bool(rate.country), BadTaxRate, "region", "needs a country")
    if rate.is_default:
        _need(not rate.region, BadTaxRate, "region", "is not for the default, which is for what no other rate fits")
        _need(not rate.category, BadTaxRate, "category", "is not for the default, which is for what no other rate fits")
    else:
        _need(
            bool(rate.country or rate.category), BadTaxRate, "country", "or a category has to say what the rate is for"
        )
    if rate.valid_from is not None and rate.valid_until is not None:
        _need(rate.valid_from < rate.valid_until, BadTaxRate, "valid_until", "has to be after valid_from")


def _check_tiers(model: PriceModel, field: str) -> None:
    tiers = model.tiers
    _need(0 < len(tiers) <= TIERS_MAX, BadPrice, f"{field}.tiers", f"needs 1 to {TIERS_MAX} tiers")
    above = Decimal(0)
    for n, tier in enumerate(tiers):
        at = f"{field}.tiers[{n}]"
        _check_tier(tier, at, by_percent=model.model is ChargeModel.GRADUATED_PERCENTAGE)
        if n == len(tiers) - 1:
            _need(tier.up_to is None, BadPrice, f"{at}.up_to", "has to be null: the last tier is without end")
            continue
        _need(tier.up_to is not None, BadPrice, f"{at}.up_to", "can be null in the last tier only")
        assert tier.up_to is not None
        _need(tier.up_to > above, BadPrice, f"{at}.up_to", f"has to be above {above:f}: tiers ascend")
        _within(tier.up_to, QUANTITY_MAX, f"{at}.up_to")
        above = tier.up_to


def _check_tier(tier: Tier, at: str, *, by_percent: bool) -> None:
    _within(tier.unit_amount, AMOUNT_MAX, f"{at}.unit_amount")
    _within(tier.flat_amount, AMOUNT_MAX, f"{at}.flat_amount")
    _within(tier.percent, PERCENT_MAX, f"{at}.percent")
    if by_percent:
        _need(not tier.unit_amount, BadPrice, f"{at}.unit_amount", "means nothing where tiers have percentages")
    else:
        _need(not tier.percent, BadPrice, f"{at}.percent", "means something with graduated_percentage only")


def _check_matrix(model: PriceModel, field: str) -> None:
    dimensions = model.dimensions
    at = f"{field}.dimensions"
    _need(0 < len(dimensions) <= DIMENSIONS_MAX, BadPrice, at, f"needs 1 to {DIMENSIONS_MAX} properties")
    _each_once(dimensions, BadPrice, at, "property")
    _need(0 < len(model.cells) <= CELLS_MAX, BadPrice, f"{field}.cells", f"needs 1 to {CELLS_MAX} cells")
    for n, cell in enumerate(model.cells):
        names = [name for name, _ in cell.values]
        of = ", ".join(dimensions)
        _need(
            sorted(names) == sorted(dimensions), BadPrice, f"{field}.cells[{n}].values", f"needs a value of each: {of}"
        )
        _within(cell.unit_amount, AMOUNT_MAX, f"{field}.cells[{n}].unit_amount")
    _each_once(
        [tuple(sorted(cell.values)) for cell in model.cells], BadPrice, f"{field}.cells", "combination of values"
    )


def _check_alignment(alignment: Alignment, intervals: Iterable[Interval]) -> None:
    if alignment is Alignment.BILLING_DAY:
        by_months = all(each.unit in _MONTHS for each in intervals)
        _need(by_months, BadBilling, "billing.alignment", "needs prices by months or years to have a billing day")
    if alignment is Alignment.CALENDAR:
        by_calendar = all(each.count == 1 for each in intervals)
        _need(by_calendar, BadBilling, "billing.alignment", "needs prices of single intervals to follow the calendar")


def _check_thresholds(progressive: Sequence[Money]) -> None:
    at = "billing.progressive"
    _need(len(progressive) <= THRESHOLDS_MAX, BadBilling, at, f"has more than {THRESHOLDS_MAX} thresholds")
    highest: dict[str, int] = {}
    for n, threshold in enumerate(progressive):
        above = highest.get(threshold.currency, 0)
        _need(threshold.minor > above, BadBilling, f"{at}[{n}].amount", f"has to be above {above}: thresholds ascend")
        highest[threshold.currency] = threshold.minor


def _not_includable(model: PriceModel) -> str:
    return f"means nothing for the model {model.model.value}"


def _within(value: Decimal, largest: Decimal, field: str) -> None:
    _need(value.is_finite() and 0 <= value <= largest, BadPrice, field, f"has to be 0 to {largest:f}")


def _each_once(values: Sequence[object], refusal: Callable[..., Invalid], field: str, what: str) -> None:
    _need(len(set(values)) == len(values), refusal, field, f"has a {what} twice")


def _need(holds: bool, refusal: Callable[..., Invalid], field: str, detail: str) -> None:  # noqa: FBT001
    if not holds:
        raise refusal(f"{field} {detail}", field=field)
