"""What a quantity costs by each price model. Every step is exact; the sum is rounded once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from guilder.domain.catalog.model import ChargeModel, Price, PriceModel, Tier
from guilder.domain.catalog.rules.rating.rated import Rated, Step, StepKind, rated
from guilder.kernel.noun import replace

# The properties of events and their values, as usage groups them.
Group = tuple[tuple[str, str], ...]

# What a recurring fee can be priced by: a quantity that is ordered has no events, no value and no properties.
FEE_MODELS = frozenset(
    {ChargeModel.FLAT, ChargeModel.PER_UNIT, ChargeModel.GRADUATED, ChargeModel.VOLUME, ChargeModel.PACKAGE}
)
# What can have units of it included before its price begins.
INCLUDABLE = frozenset(
    {
        ChargeModel.PER_UNIT,
        ChargeModel.GRADUATED,
        ChargeModel.VOLUME,
        ChargeModel.PACKAGE,
        ChargeModel.MATRIX,
        ChargeModel.DYNAMIC,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """What is priced: never below zero, for a correction cannot make use that was not there."""

    units: Fraction
    events: int
    value: Fraction
    groups: Mapping[Group, Decimal] | None


def rate(
    model: PriceModel,
    *,
    quantity: Decimal,
    events: int = 0,
    value: Decimal = Decimal(0),
    groups: Mapping[Group, Decimal] | None = None,
    currency: str,
    cap_minor: int | None = None,
) -> Rated:
    """Price a quantity.

    `value` is in minor units: what a percentage is of, or the sum of the prices that events carry. `groups` gives the
    quantity of each combination of properties, for a matrix alone; without it none of the quantity has a cell.
    Below zero counts as zero.
    """
    use = _Use(
        units=_at_least_zero(quantity),
        events=max(events, 0),
        value=_at_least_zero(value),
        groups=groups,
    )
    return rated(_MODELS[model.model](model, use), currency=currency, cap_minor=cap_minor)


def fee(price: Price, *, quantity: int) -> Rated:
    """Price a quantity for one full interval, by the price's model or else by its amount for each."""
    currency = price.unit_amount.currency
    model = price.model or PriceModel(model=ChargeModel.PER_UNIT, unit_amount=Decimal(price.unit_amount.minor))
    assert model.model in FEE_MODELS, model
    return rate(model, quantity=Decimal(quantity), currency=currency)


def with_included(model: PriceModel, included: Decimal) -> PriceModel:
    """Return the model with more units that are free before its price begins.

    One that does not price units stays as it is: a subscription may have such a price for a charge that includes some.
    """
    if not included or model.model not in INCLUDABLE:
        return model
    return replace(model, free_units=model.free_units + included)


def _flat(model: PriceModel, use: _Use) -> list[Step]:
    return [Step(kind=StepKind.FLAT, units=use.units, flat_amount=model.unit_amount, subtotal=_f(model.unit_amount))]


def _per_unit(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    return [*free, _units(StepKind.UNITS, priced, model.unit_amount)]


def _graduated(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    return [*free, *(_tier(tier, above, part) for tier, above, part in _parts(model.tiers, priced))]


def _volume(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    reached = _parts(model.tiers, priced)
    return [*free, *(_tier(tier, above, priced) for tier, above, _ in reached[-1:])]


def _package(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    packages = -(-priced // _f(model.package_size))  # whole ones: rounded up
    return [*free, _units(StepKind.PACKAGES, Fraction(packages), model.unit_amount)]


def _percentage(model: PriceModel, use: _Use) -> list[Step]:
    """Free events cost neither percentage nor fixed fee: they are taken out at the average value of an event."""
    paid_events = max(use.events - model.free_events, 0)
    value = use.value * Fraction(paid_events, use.events) if model.free_events and use.events else use.value
    if model.free_events and not use.events:
        value = Fraction(0)
    paid_value = max(value - _f(model.free_value), Fraction(0))
    steps = [_free(use.value - paid_value)] if use.value > paid_value else []
    steps.append(_percent(StepKind.PERCENT, paid_value, model.percent))
    if model.fixed_amount:
        steps.append(_units(StepKind.EVENTS, Fraction(paid_events), model.fixed_amount))
    return steps


def _graduated_percentage(model: PriceModel, use: _Use) -> list[Step]:
    return [
        _percent(StepKind.PERCENT_TIER, part, tier.percent, tier, above)
        for tier, above, part in _parts(model.tiers, use.value)
    ]


def _dynamic(model: PriceModel, use: _Use) -> list[Step]:
    """Free units are taken out at the average price of a unit: which of them came first is not known here."""
    free, priced = _after_free(model, use.units)
    carried = use.value * priced / use.units if model.free_units and use.units else use.value
    if model.free_units and not use.units:
        carried = Fraction(0)
    return [*free, Step(kind=StepKind.CARRIED, units=carried, subtotal=carried)]


def _matrix(model: PriceModel, use: _Use) -> list[Step]:
    """Free units are taken from the cells in their order, and last from what has none."""
    cells, others = {_key(model, cell.values): Fraction(0) for cell in model.cells}, Fraction(0)
    if use.groups is None:
        others = use.units
    for group, quantity in (use.groups or {}).items():
        key = _key(model, group)
        if key in cells:
            cells[key] += _at_least_zero(quantity)
        else:
            others += _at_least_zero(quantity)
    rows = [(cell.values, cells[_key(model, cell.values)], cell.unit_amount) for cell in model.cells]
    free_left, steps = _f(model.free_units), []
    for values, units, unit_amount in [*rows, ((), others, model.unit_amount)]:
        free = min(free_left, units)
        free_left -= free
        if units > free:
            steps.append(replace(_units(StepKind.CELL, units - free, unit_amount), values=values))
    taken = _f(model.free_units) - free_left
    return [_free(taken), *steps] if taken else steps


_MODELS: dict[ChargeModel, Callable[[PriceModel, _Use], list[Step]]] = {
    ChargeModel.FLAT: _flat,
    ChargeModel.PER_UNIT: _per_unit,
    ChargeModel.GRADUATED: _graduated,
    ChargeModel.VOLUME: _volume,
    ChargeModel.PACKAGE: _package,
    ChargeModel.PERCENTAGE: _percentage,
    ChargeModel.GRADUATED_PERCENTAGE: _graduated_percentage,
    ChargeModel.DYNAMIC: _dynamic,
    ChargeModel.MATRIX: _matrix,
}
assert set(_MODELS) == set(ChargeModel)


def _parts(tiers: tuple[Tier, ...], units: Fraction) -> list[tuple[Tier, Decimal, Fraction]]:
    """Return each tier that is entered, what it lies above, and the units within it. Bounds are inclusive."""
    entered, above = [], Decimal(0)
    for tier in tiers:
        if units <= _f(above):
            break
        upto = units if tier.up_to is None else min(units, _f(tier.up_to))
        entered.append((tier, above, upto - _f(above)))
        above = above if tier.up_to is None else tier.up_to
    return entered


def _key(model: PriceModel, values: Group) -> Group:
    """Return the values of the model's dimensions, in its order; a property that is missing is empty."""
    known = dict(values)
    return tuple((dimension, known.get(dimension, "")) for dimension in model.dimensions)


def _after_free(model: PriceModel, units: Fraction) -> tuple[list[Step], Fraction]:
    free = min(_f(model.free_units), units)
    return ([_free(free)] if free else []), units - free


def _free(units: Fraction) -> Step:
    return Step(kind=StepKind.FREE, units=units, subtotal=Fraction(0))


def _units(kind: StepKind, units: Fraction, unit_amount: Decimal) -> Step:
    return Step(kind=kind, units=units, unit_amount=unit_amount, subtotal=units * _f(unit_amount))


def _tier(tier: Tier, above: Decimal, units: Fraction) -> Step:
    return Step(
        kind=StepKind.TIER,
        units=units,
        unit_amount=tier.unit_amount,
        flat_amount=tier.flat_amount,
        above=above,
        up_to=tier.up_to,
        subtotal=units * _f(tier.unit_amount) + _f(tier.flat_amount),
    )


def _percent(
    kind: StepKind, value: Fraction, percent: Decimal, tier: Tier | None = None, above: Decimal | None = None
) -> Step:
    flat_amount = tier.flat_amount if tier else Decimal(0)
    return Step(
        kind=kind,
        units=value,
        percent=percent,
        flat_amount=flat_amount,
        above=above,
        up_to=tier.up_to if tier else None,
        subtotal=value * _f(percent) / 100 + _f(flat_amount),
    )


def _at_least_zero(value: Decimal) -> Fraction:
    return max(_f(value), Fraction(0))


@lru_cache(4_096)
def _f(value: Decimal) -> Fraction:
    # Of prices and bounds, which are few and stand in every line again.
    return Fraction(value)
