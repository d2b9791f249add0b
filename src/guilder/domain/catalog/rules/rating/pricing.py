"""What a quantity costs by each price model. Every step is exact; the sum is rounded once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from guilder.domain.catalog.model import ChargeModel, Price, PriceModel, Tier
from guilder.domain.catalog.rules.rating.rated import Exact, Rated, Step, StepKind, rated
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


_HUNDREDTH = Fraction(1, 100)


class _Use(Struct, frozen=True, kw_only=True):
    """What is priced: never below zero, for a correction cannot make use that was not there."""

    units: Exact
    events: int
    value: Exact
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
    # What is used up of a scale is the same in every line; the last one alone is this line's own.
    return [
        *free,
        *(rung.whole if part == rung.size else rung.part(part) for rung, part in _parts(model.tiers, priced)),
    ]


def _volume(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    reached = _parts(model.tiers, priced)
    return [*free, *(rung.part(priced) for rung, _ in reached[-1:])]


def _package(model: PriceModel, use: _Use) -> list[Step]:
    free, priced = _after_free(model, use.units)
    packages = -(-priced // _f(model.package_size))  # whole ones: rounded up
    return [*free, _units(StepKind.PACKAGES, packages, model.unit_amount)]


def _percentage(model: PriceModel, use: _Use) -> list[Step]:
    """Free events cost neither percentage nor fixed fee: they are taken out at the average value of an event."""
    paid_events = max(use.events - model.free_events, 0)
    value = use.value
    if model.free_events and use.events:
        value = use.value * Fraction(paid_events, use.events)
    if model.free_events and not use.events:
        value = 0
    paid_value = max(value - _f(model.free_value), 0)
    steps = [_free(use.value - paid_value)] if use.value > paid_value else []
    steps.append(_percent(StepKind.PERCENT, paid_value, model.percent))
    if model.fixed_amount:
        steps.append(_units(StepKind.EVENTS, paid_events, model.fixed_amount))
    return steps


def _graduated_percentage(model: PriceModel, use: _Use) -> list[Step]:
    return [
        _percent(StepKind.PERCENT_TIER, part, rung.tier.percent, rung.tier, rung.above)
        for rung, part in _parts(model.tiers, use.value)
    ]


def _dynamic(model: PriceModel, use: _Use) -> list[Step]:
    """Free units are taken out at the average price of a unit: which of them came first is not known here."""
    free, priced = _after_free(model, use.units)
    carried = use.value
    if model.free_units:
        carried = use.value * Fraction(priced, use.units) if use.units else 0
    return [*free, Step(kind=StepKind.CARRIED, units=carried, subtotal=carried)]


def _matrix(model: PriceModel, use: _Use) -> list[Step]:
    """Free units are taken from the cells in their order, and last from what has none."""
    cells: dict[Group, Exact] = {_key(model, cell.values): 0 for cell in model.cells}
    others: Exact = 0
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


@dataclass(frozen=True, slots=True)
class _Rung:
    """A tier of a scale as it is reckoned with."""

    tier: Tier
    above: Decimal
    foot: Exact
    size: Exact | None  # None: it has no end
    whole: Step  # used up; of one without end, of nothing

    def part(self, units: Exact) -> Step:
        return _tier(self.tier, self.above, units)


@lru_cache(1_024)
def _rungs(tiers: tuple[Tier, ...]) -> tuple[_Rung, ...]:
    """Work out once what is the same for all that is priced by a scale."""
    rungs, above = [], Decimal(0)
    for tier in tiers:
        size = None if tier.up_to is None else _f(tier.up_to) - _f(above)
        rungs.append(_Rung(tier, above, _f(above), size, replace(_tier(tier, above, size or 0), kept={})))
        above = above if tier.up_to is None else tier.up_to
    return tuple(rungs)


def _parts(tiers: tuple[Tier, ...], units: Exact) -> list[tuple[_Rung, Exact]]:
    """Return each tier that is entered, and the units within it. Bounds are inclusive."""
    entered = []
    for rung in _rungs(tiers):
        if units <= rung.foot:
            break
        within = units - rung.foot
        entered.append((rung, within if rung.size is None else min(within, rung.size)))
    return entered


def _key(model: PriceModel, values: Group) -> Group:
    """Return the values of the model's dimensions, in its order; a property that is missing is empty."""
    known = dict(values)
    return tuple((dimension, known.get(dimension, "")) for dimension in model.dimensions)


def _after_free(model: PriceModel, units: Exact) -> tuple[list[Step], Exact]:
    if not model.free_units:
        return [], units
    free = min(_f(model.free_units), units)
    return ([_free(free)] if free else []), units - free


def _free(units: Exact) -> Step:
    return Step(kind=StepKind.FREE, units=units, subtotal=0)


def _units(kind: StepKind, units: Exact, unit_amount: Decimal) -> Step:
    return Step(kind=kind, units=units, unit_amount=unit_amount, subtotal=units * _f(unit_amount))


def _tier(tier: Tier, above: Decimal, units: Exact) -> Step:
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
    kind: StepKind, value: Exact, percent: Decimal, tier: Tier | None = None, above: Decimal | None = None
) -> Step:
    flat_amount = tier.flat_amount if tier else Decimal(0)
    return Step(
        kind=kind,
        units=value,
        percent=percent,
        flat_amount=flat_amount,
        above=above,
        up_to=tier.up_to if tier else None,
        subtotal=value * _f(percent) * _HUNDREDTH + _f(flat_amount),
    )


def _at_least_zero(value: Decimal) -> Exact:
    return _exact(value) if value > 0 else 0


def _exact(value: Decimal) -> Exact:
    numerator, denominator = value.as_integer_ratio()
    return numerator if denominator == 1 else Fraction(numerator, denominator)


# Of prices and bounds, which are few and stand in every line again.
_f = lru_cache(4_096)(_exact)
