"""Rating against a second, naive implementation in exact decimals, and what holds of every price."""

import json
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guilder.domain.catalog.model import ChargeModel, MatrixCell, Price, PriceModel, Tier
from guilder.domain.catalog.rules.rating import fee, rate, sentence, with_included
from guilder.domain.catalog.rules.rating.rated import AmountTooLarge
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from tests.unit.catalog.rules.prices import SHARES, THREE_TIERS, TWO_TIERS, D, matrix, model

amounts = st.decimals(min_value=0, max_value=10_000, places=3)
whole_units = st.integers(min_value=0, max_value=150)
values = st.decimals(min_value=0, max_value=100_000, places=2)
kinds = st.sampled_from(sorted(ChargeModel))


@st.composite
def tiers(draw, *, by_percent=False):
    bounds = sorted(draw(st.sets(st.integers(1, 120), max_size=4)))
    made = []
    for up_to in [*bounds, None]:
        price = draw(amounts)
        made.append(
            Tier(
                up_to=None if up_to is None else D(up_to),
                unit_amount=D(0) if by_percent else price,
                percent=price / 100 if by_percent else D(0),
                flat_amount=draw(amounts),
            )
        )
    return tuple(made)


@st.composite
def models(draw, among=kinds):
    kind = draw(among)
    free = D(draw(st.integers(0, 20)))
    if kind in ("graduated", "volume"):
        return model(kind, tiers=draw(tiers()))
    if kind == "graduated_percentage":
        return model(kind, tiers=draw(tiers(by_percent=True)))
    if kind == "percentage":
        return model(
            kind,
            percent=draw(amounts) / 100,
            fixed_amount=draw(amounts),
            free_events=draw(st.integers(0, 5)),
            free_value=D(draw(st.integers(0, 500))),
        )
    if kind == "flat":
        return model(kind, unit_amount=draw(amounts))
    if kind == "dynamic":
        return model(kind, free_units=free)
    if kind == "package":
        return model(kind, unit_amount=draw(amounts), free_units=free, package_size=D(draw(st.integers(1, 30))))
    if kind == "matrix":
        return matrix(free_units=free)
    return model(kind, unit_amount=draw(amounts), free_units=free)


# The second implementation: one unit after the other, in decimals.


def naive(price: PriceModel, units: int, *, events: int, value: Decimal, groups: dict[str, int]) -> Decimal:
    with localcontext() as exactly:
        exactly.prec = 200
        return _NAIVE[price.model](price, units, events, value, groups)


def naive_flat(price, units, events, value, groups):
    return price.unit_amount


def naive_per_unit(price, units, events, value, groups):
    return sum((price.unit_amount for n in range(1, units + 1) if n > price.free_units), D(0))


def tier_of(price: PriceModel, unit: Decimal) -> int:
    """Return which tier a unit is in: the first whose bound it does not pass."""
    return next(n for n, tier in enumerate(price.tiers) if tier.up_to is None or unit <= tier.up_to)


def naive_graduated(price, units, events, value, groups):
    come_by = [tier_of(price, D(n)) for n in range(1, units + 1)]
    # No bound is skipped by whole units, so the tiers entered are those that a unit is in.
    flat = sum((price.tiers[n].flat_amount for n in set(come_by)), D(0))
    return flat + sum((price.tiers[n].unit_amount for n in come_by), D(0))


def naive_volume(price, units, events, value, groups):
    if not units:
        return D(0)
    tier = price.tiers[tier_of(price, D(units))]
    return tier.flat_amount + sum((tier.unit_amount for _ in range(units)), D(0))


def naive_package(price, units, events, value, groups):
    left, packages = units - price.free_units, 0
    while left > 0:
        left, packages = left - price.package_size, packages + 1
    return packages * price.unit_amount


def naive_percentage(price, units, events, value, groups):
    # Each event with the average value, one after the other.
    each = Fraction(value) / events if events else Fraction(0)
    paid = [each for n in range(1, events + 1) if n > price.free_events]
    taxed = sum(paid, Fraction(0)) if events or price.free_events else Fraction(value)
    rest = max(taxed - Fraction(price.free_value), Fraction(0))
    return rest * Fraction(price.percent) / 100 + len(paid) * Fraction(price.fixed_amount)


def naive_graduated_percentage(price, units, events, value, groups):
    cents = int(value)  # tried with whole minor units, one after the other
    entered = [tier_of(price, D(n)) for n in range(1, cents + 1)]
    flat = sum((price.tiers[n].flat_amount for n in set(entered)), D(0))
    return flat + sum((price.tiers[n].percent / 100 for n in entered), D(0))


def naive_dynamic(price, units, events, value, groups):
    if not price.free_units:
        return value
    each = Fraction(value) / units if units else Fraction(0)
    return sum((each for n in range(1, units + 1) if n > price.free_units), Fraction(0))


def naive_matrix(price, units, events, value, groups):
    prices = {dict(cell.values)["region"]: cell.unit_amount for cell in price.cells}
    queue = [price for region in ("eu", "us") for price in [prices[region]] * groups.get(region, 0)]
    queue += [price.unit_amount] * sum(n for region, n in groups.items() if region not in prices)
    return sum(queue[int(price.free_units) :], D(0))


_NAIVE = {
    ChargeModel.FLAT: naive_flat,
    ChargeModel.PER_UNIT: naive_per_unit,
    ChargeModel.GRADUATED: naive_graduated,
    ChargeModel.VOLUME: naive_volume,
    ChargeModel.PACKAGE: naive_package,
    ChargeModel.PERCENTAGE: naive_percentage,
    ChargeModel.GRADUATED_PERCENTAGE: naive_graduated_percentage,
    ChargeModel.DYNAMIC: naive_dynamic,
    ChargeModel.MATRIX: naive_matrix,
}
assert set(_NAIVE) == set(ChargeModel)


@given(models(), whole_units, st.integers(0, 12), st.integers(0, 400), st.integers(0, 9), st.integers(0, 9))
def test_is_what_counting_one_by_one_comes_to(price, units, events, value, us, other):
    by_region = {"eu": units, "us": us, "jp": other}
    total = sum(by_region.values()) if price.model is ChargeModel.MATRIX else units
    groups = {(("region", name),): D(number) for name, number in by_region.items()}
    is_matrix = price.model is ChargeModel.MATRIX
    found = rate(
        price,
        quantity=D(total),
        events=events,
        value=D(value),
        groups=groups if is_matrix else None,
        currency="EUR",
    )
    wanted = Fraction(naive(price, total, events=events, value=D(value), groups=by_region))
    assert found.exact == wanted
    assert sum(step.subtotal for step in found.steps) == wanted
    with localcontext() as exactly:
        exactly.prec = 200
        numerator, denominator = wanted.numerator, wanted.denominator
        half_up = (D(numerator) / D(denominator)).quantize(D(1), ROUND_HALF_UP)
    assert found.amount == Money(int(half_up), "EUR")


@given(models(st.sampled_from(sorted(set(ChargeModel) - {"volume", "dynamic"}))), values, values, st.integers(0, 9))
def test_more_never_costs_less(price, one, two, events):
    # All but volume, which has steps down by design, and dynamic, where a cheap unit can lower the average.
    less, more = sorted((one, two))
    before = rate(price, quantity=less, events=events, value=less, currency="EUR")
    assert before.exact <= rate(price, quantity=more, events=events, value=more, currency="EUR").exact
    assert before.exact <= rate(price, quantity=less, events=events + 1, value=less, currency="EUR").exact


@given(models(st.sampled_from(["graduated", "per_unit"])), values, values)
def test_parts_add_up_to_the_whole_but_for_the_rounding(price, one, two):
    """What the second part adds is what its own units cost, wherever the first one ended."""
    whole = rate(price, quantity=one + two, currency="EUR")
    first = rate(price, quantity=one, currency="EUR")
    assert whole.exact - first.exact >= 0
    assert sum(step.units for step in whole.steps) == Fraction(one + two)
    flats = sum(Fraction(step.flat_amount) for step in whole.steps)
    assert whole.exact - flats == sum(step.units * Fraction(step.unit_amount) for step in whole.steps)


@given(models())
def test_nothing_used_costs_nothing_but_what_is_flat(price):
    found = rate(price, quantity=D(0), currency="EUR")
    assert found.exact == (Fraction(price.unit_amount) if price.model is ChargeModel.FLAT else 0)


@given(models(), values, st.integers(0, 9), st.integers(0, 10**7))
def test_a_cap_is_never_passed_and_says_so(price, value, events, cap):
    free = rate(price, quantity=value, events=events, value=value, currency="EUR")
    capped = rate(price, quantity=value, events=events, value=value, currency="EUR", cap_minor=cap)
    assert capped.amount.minor == min(free.amount.minor, cap)
    assert capped.is_capped is (free.amount.minor > cap)
    assert capped.exact == free.exact


@given(models(), values, st.integers(0, 9))
@example(model("percentage", percent=D(2)), D(1025), 1)
@example(model("graduated_percentage", tiers=SHARES), D(1025), 1)
@example(model("dynamic", free_units=D(2)), D(7), 1)
def test_no_number_on_the_way_is_a_float(price, value, events):
    found = rate(price, quantity=value, events=events, value=value, currency="EUR")
    numbers = [found.exact, *(each for step in found.steps for each in (step.units, step.subtotal))]
    assert {type(each) for each in numbers} <= {int, Fraction}, found


def test_a_tier_that_is_used_up_is_the_same_step_and_the_same_words_in_every_line():
    price = model("graduated", tiers=THREE_TIERS)
    first, second = (rate(price, quantity=D(quantity), currency="EUR") for quantity in ("5000", "5000.5"))
    assert all(one is other for one, other in zip(first.steps[:-1], second.steps[:-1], strict=True))
    assert first.steps[-1] != second.steps[-1]
    assert sentence(first).split("; ")[:-1] == sentence(second).split("; ")[:-1]
    assert sentence(rate(price, quantity=D(5000), currency="JPY")).endswith("JPY.")


def test_a_tier_that_is_used_up_to_its_very_end_is_priced_as_a_part_of_it_would_be():
    price = model("graduated", tiers=TWO_TIERS)
    at_its_end, below, above = (rate(price, quantity=D(each), currency="EUR").exact for each in ("10", "9.5", "10.5"))
    assert at_its_end - below == D("0.5") * TWO_TIERS[0].unit_amount
    assert above - at_its_end == D("0.5") * TWO_TIERS[1].unit_amount + TWO_TIERS[1].flat_amount


@given(models(), st.decimals(min_value=-1000, max_value=0, places=2))
def test_below_zero_is_zero(price, below):
    zero = rate(price, quantity=D(0), currency="EUR")
    assert rate(price, quantity=below, events=-3, value=below, currency="EUR").exact == zero.exact


@given(models(), values, st.integers(0, 9))
def test_the_walk_survives_json_and_the_sentence_ends_in_the_amount(price, value, events):
    found = rate(price, quantity=value, events=events, value=value, currency="EUR")
    walk = json.loads(json.dumps(found.walk()))
    assert sum((Fraction(step["subtotal"]) for step in walk), Fraction(0)) == found.exact
    assert sentence(found).endswith(f"{found.amount}.") or found.exact == found.amount.minor


@given(models(st.sampled_from(["per_unit", "graduated", "volume", "package"])), values, st.integers(0, 50))
def test_what_is_included_is_not_priced(price, quantity, included):
    whole = rate(with_included(price, D(included)), quantity=quantity, currency="EUR")
    rest = rate(price, quantity=max(quantity - included, D(0)), currency="EUR")
    assert whole.exact == rest.exact


@pytest.mark.parametrize(
    ("price", "use", "said"),
    [
        (
            model("graduated", tiers=TWO_TIERS),
            {"quantity": D(11)},
            (
                "10 units (above 0, up to 10) at 1.00 EUR and 5.00 EUR for the tier = 15.00 EUR; "
                "1 unit (above 10) at 0.50 EUR and 2.00 EUR for the tier = 2.50 EUR. Together 17.50 EUR."
            ),
        ),
        (model("graduated", tiers=THREE_TIERS), {"quantity": D(0)}, "Nothing was used: 0.00 EUR."),
        (
            model("per_unit", unit_amount=D("12.5"), free_units=D(10)),
            {"quantity": D(13)},
            "10 units free; 3 units at 0.125 EUR = 0.375 EUR. Together 0.375 EUR, rounded to 0.38 EUR.",
        ),
        (
            model("package", unit_amount=D(999), package_size=D(100)),
            {"quantity": D(101), "cap_minor": 1500},
            "2 whole packages at 9.99 EUR = 19.98 EUR. Together 19.98 EUR, of which 15.00 EUR at most is charged.",
        ),
        (
            model("percentage", percent=D("1.4"), fixed_amount=D(25)),
            {"quantity": D(3), "events": 3, "value": D(10000)},
            "1.4 % of 100.00 EUR = 1.40 EUR; 3 events at 0.25 EUR = 0.75 EUR. Together 2.15 EUR.",
        ),
        (
            model("graduated_percentage", tiers=SHARES),
            {"quantity": D(1), "value": D(15000)},
            (
                "2 % of 100.00 EUR (above 0.00 EUR, up to 100.00 EUR) = 2.00 EUR; "
                "1 % of 50.00 EUR (above 100.00 EUR) and 0.30 EUR for the tier = 0.80 EUR. Together 2.80 EUR."
            ),
        ),
        (
            model("dynamic", free_units=D(1)),
            {"quantity": D(3), "value": D(100)},
            (
                "1 unit free; what was used at its own prices = about 0.666667 EUR. "
                "Together about 0.666667 EUR, rounded to 0.67 EUR."
            ),
        ),
        (
            matrix(),
            {"quantity": D(3), "groups": {(("region", "us"),): D(1), (("region", "jp"),): D(2)}},
            "1 unit (region us) at 0.30 EUR = 0.30 EUR; 2 units (others) at 0.455 EUR = 0.91 EUR. Together 1.21 EUR.",
        ),
        (model("flat", unit_amount=D(3000)), {"quantity": D(3)}, "30.00 EUR whatever is used."),
    ],
)
def test_says_in_words_how_it_came_about(price, use, said):
    assert sentence(rate(price, currency="EUR", **use)) == said


def test_a_cell_is_found_by_all_of_its_properties_in_whatever_order():
    price = model(
        "matrix",
        dimensions=("region", "size"),
        cells=(MatrixCell(values=(("size", "xl"), ("region", "eu")), unit_amount=D(7)),),
        unit_amount=D(1),
    )
    groups = {
        (("size", "xl"), ("region", "eu"), ("team", "a")): D(10),
        (("region", "eu"), ("size", "s")): D(1),
        (("region", "eu"),): D(1),
    }
    assert rate(price, quantity=D(12), groups=groups, currency="EUR").amount.minor == 72


def a_price(price: PriceModel | None, minor: int = 300) -> Price:
    return Price(
        id=UUID(int=1), interval=Interval(Unit.MONTH), unit_amount=Money(minor, "EUR"), cycle="monthly", model=price
    )


@pytest.mark.parametrize(
    ("price", "quantity", "minor"),
    [
        (None, 7, 2100),
        (model("flat", unit_amount=D(999)), 7, 999),
        (model("graduated", tiers=TWO_TIERS), 11, 1750),
        (model("volume", tiers=TWO_TIERS), 11, 750),
        (model("package", unit_amount=D(999), package_size=D(5)), 11, 2997),
        (model("per_unit", unit_amount=D("0.5")), 3, 2),
    ],
)
def test_a_fee_is_priced_by_its_model(price, quantity, minor):
    assert fee(a_price(price), quantity=quantity).amount == Money(minor, "EUR")


def test_a_fee_by_percentage_is_our_mistake():
    with pytest.raises(AssertionError):
        fee(a_price(model("percentage", percent=D(1))), quantity=1)


def test_flat_fees_and_percentages_include_nothing():
    for kind in ("flat", "percentage", "graduated_percentage"):
        assert with_included(model(kind), D(1)) == with_included(model(kind), D(0)) == model(kind)


def test_what_no_amount_can_hold_is_refused_and_not_our_mistake():
    price = model("graduated", tiers=(Tier(up_to=D(1)), Tier(up_to=None, unit_amount=D(10**14))))
    with pytest.raises(AmountTooLarge) as refused:
        rate(price, quantity=D(10**18), currency="EUR")
    assert refused.value.field == "quantity"
    assert rate(price, quantity=D(10**18), currency="EUR", cap_minor=5).amount == Money(5, "EUR")
