from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage.model import EventStatus, Reading
from guilder.domain.usage.rules.aggregation import readings
from guilder.domain.usage.rules.exact import carried, fits, number, rounded, tidy, total
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from tests.support.builders.identity import NOW
from tests.support.builders.usage import a_counted, a_plain_meter, a_question

JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def at(day, hour=0):
    return JUNE + timedelta(days=day - 1, hours=hour)


def ask(meter, events, **over):
    who = CustomerId(events[0].customer_id) if events else CustomerId(ids.new(NOW))
    return readings(a_question(customer_id=who, meter=meter, starts_at=JUNE, ends_at=JULY, **over), events)


@pytest.mark.parametrize(
    ("aggregation", "quantity"),
    [
        (Aggregation.COUNT, 4),
        (Aggregation.SUM, 14),
        (Aggregation.MAX, 7),
        (Aggregation.LATEST, 3),
        (Aggregation.UNIQUE_COUNT, 3),
    ],
)
def test_counts_a_period_from_its_start_up_to_its_end(aggregation, quantity):
    meter = a_plain_meter(aggregation)
    events = [
        a_counted(meter, JUNE - timedelta(microseconds=1), 100),
        a_counted(meter, JUNE, 2),
        a_counted(meter, at(20), 7),
        a_counted(meter, at(10), 2),
        a_counted(meter, JULY - timedelta(microseconds=1), 3),
        a_counted(meter, JULY, 100),
    ]
    [reading] = ask(meter, events)
    assert reading == Reading(group=(), quantity=Decimal(quantity), events=4, value=Decimal(14))


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_nothing_used_is_a_reading_of_nothing(aggregation):
    assert ask(a_plain_meter(aggregation), []) == [Reading(group=(), quantity=Decimal(0), events=0, value=Decimal(0))]


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_what_was_canceled_does_not_count(aggregation):
    meter = a_plain_meter(aggregation)
    [reading] = ask(meter, [a_counted(meter, at(2), 5, status=EventStatus.CANCELED)])
    assert (reading.quantity, reading.events, reading.value) == (0, 0, 0)


def test_of_two_at_one_instant_the_last_to_arrive_is_the_latest():
    meter = a_plain_meter(Aggregation.LATEST)
    events = [a_counted(meter, at(9), 1), a_counted(meter, at(5), 9), a_counted(meter, at(9), 2)]
    assert ask(meter, events)[0].quantity == 2


def test_the_greatest_may_lie_below_zero():
    meter = a_plain_meter(Aggregation.MAX)
    assert ask(meter, [a_counted(meter, at(2), -5), a_counted(meter, at(3), -7)])[0].quantity == -5


@pytest.mark.parametrize(
    ("changes", "mean"),
    [
        ([(at(1), 10)], 10),  # the whole month
        ([(at(16), 10)], 5),  # half of it
        ([(at(-30), 4)], 4),  # the level that May left
        ([(at(-30), 4), (at(16), 2)], 5),  # 4 x 30/30 + 2 x 15/30
        ([(at(-30), 4), (at(16), -4)], 2),
        ([(at(16), 10), (at(26), -10)], "3.333333333333"),  # 10 x 10/30
        ([(JULY, 10)], 0),
    ],
)
def test_a_level_is_weighed_by_how_long_it_stood(changes, mean):
    meter = a_plain_meter(Aggregation.WEIGHTED_SUM)
    events = [a_counted(meter, when, delta) for when, delta in changes]
    assert ask(meter, events)[0].quantity == Decimal(mean)


def test_a_level_that_stands_is_told_though_nothing_happened():
    meter = a_plain_meter(Aggregation.WEIGHTED_SUM)
    events = [
        a_counted(meter, at(-9), 3, properties={"zone": "eu"}),
        a_counted(meter, at(-9), 3, properties={"zone": "us"}),
        a_counted(meter, at(-8), -3, properties={"zone": "us"}),
    ]
    assert ask(meter, events, group_by=("zone",)) == [
        Reading(group=(("zone", "eu"),), quantity=Decimal(3), events=0, value=Decimal(0))
    ]


def test_filters_and_groups_take_a_missing_property_for_an_empty_one():
    meter = a_plain_meter(Aggregation.SUM)
    events = [
        a_counted(meter, at(2), 1, properties={"zone": "eu", "tier": "a"}),
        a_counted(meter, at(2), 2, properties={"zone": "us", "tier": "a"}),
        a_counted(meter, at(2), 4, properties={"tier": "b"}),
        a_counted(meter, at(2), 8, properties={"zone": "eu"}),
    ]
    found = ask(meter, events, group_by=("tier", "zone"), filters=(("zone", ("eu", "")),))
    assert {tuple(value for _, value in each.group): each.quantity for each in found} == {
        ("", "eu"): 8,
        ("a", "eu"): 1,
        ("b", ""): 4,
    }
    assert ask(meter, events, filters=(("zone", ("mars",)),))[0].events == 0
    assert ask(meter, events, filters=(("zone", ("mars",)),), group_by=("zone",)) == []


def test_an_event_that_names_a_subscription_is_that_ones_alone():
    meter, mine, other = a_plain_meter(Aggregation.SUM), ids.new(NOW), ids.new(NOW)
    events = [
        a_counted(meter, at(2), 1),
        a_counted(meter, at(2), 2, subscription_id=mine),
        a_counted(meter, at(2), 4, subscription_id=other),
    ]
    assert [ask(meter, events, subscription_id=each)[0].quantity for each in (mine, other, None)] == [3, 5, 7]


def test_the_value_adds_up_the_amount_that_events_carry():
    meter = a_plain_meter(Aggregation.COUNT)
    carrying = [{"price": "1.10"}, {"price": "2.2"}, {"price": "free"}, {"price": "1e3"}, {"price": "٣"}, {}]
    events = [a_counted(meter, at(2), 9, properties=each) for each in carrying]
    [reading] = ask(meter, events, amount_property="price")
    assert (reading.quantity, reading.value) == (6, Decimal("3.3"))


def test_sums_are_exact_beyond_what_python_keeps_by_itself():
    big, tiny = Decimal("999999999999999999.999999999999"), Decimal("0.000000000001")
    assert Fraction(total([big] * 1000 + [tiny])) == Fraction(big) * 1000 + Fraction(tiny)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 3), "0.333333333333"),
        (Fraction(2, 3), "0.666666666667"),
        (Fraction(1, 2 * 10**12), "0.000000000001"),  # a half goes up
        (Fraction(-1, 2 * 10**12), "-0.000000000001"),  # and away from zero
        (Fraction(3000), "3000"),
        (Fraction(10**30), "1" + "0" * 30),
    ],
)
def test_a_mean_is_rounded_half_up_to_twelve_places(value, text):
    assert f"{rounded(value):f}" == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**17), max_value=10**17))
def test_a_tidy_number_is_the_same_number(value):
    assert tidy(value) == value
    assert number(f"{tidy(value):f}") == value
    assert fits(value)


@pytest.mark.parametrize("text", ["", "1.", ".5", "01", "1e3", "+1", " 1", "1 ", "1,5", "NaN", "٣", "1" * 19, "1\n"])
def test_a_number_is_written_in_one_way_only(text):
    assert number(text) is None
    assert carried(Decimal(5), {"gb": text}, "gb") == 0


@pytest.mark.parametrize("value", ["1e18", "-1e18", "0.0000000000001", "NaN", "Infinity"])
def test_a_value_out_of_bounds_does_not_fit(value):
    assert not fits(Decimal(value))


levels = st.lists(
    st.tuples(st.integers(-40 * 86_400, 30 * 86_400), st.decimals(-1000, 1000, places=3)), min_size=0, max_size=8
)


@given(levels)
def test_a_weighted_sum_is_the_area_under_the_level(changes):
    """Walk the level from step to step, as one would on paper."""
    meter = a_plain_meter(Aggregation.WEIGHTED_SUM)
    events = [a_counted(meter, JUNE + timedelta(seconds=seconds), value) for seconds, value in changes]
    level, area, since = Fraction(0), Fraction(0), 0
    for seconds, value in sorted(changes, key=lambda each: each[0]):
        if seconds >= 30 * 86_400:
            break
        if seconds > 0:
            area += level * (seconds - since)
            since = seconds
        level += Fraction(value)
    area += level * (30 * 86_400 - since)
    assert ask(meter, events)[0].quantity == rounded(area / (30 * 86_400))
