"""On which terms something is sold, and when a change takes effect."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from guilder.domain.catalog.model import Limit, Plan, PlanStatus, Price
from guilder.domain.orders.rules import change, terms
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.rules.terms import AmountTooLarge, NoSuchPrice, QuantityTooLarge
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit

MONTH, YEAR = Interval(Unit.MONTH), Interval(Unit.YEAR)


def a_price(number, cycle, interval, minor, currency):
    return Price(id=UUID(int=number), interval=interval, unit_amount=Money(minor, currency), cycle=cycle)


PLAN = Plan(
    tenant_id=TenantId(UUID(int=1)),
    id=UUID(int=2),
    code="pro",
    version=3,
    name="Pro",
    description="",
    status=PlanStatus.ACTIVE,
    prices=(
        a_price(1, "monthly", MONTH, 3000, "EUR"),
        a_price(2, "monthly", MONTH, 3300, "USD"),
        a_price(3, "yearly", YEAR, 30000, "EUR"),
    ),
    features=(),
    limits=(Limit(code="quantity", name="At most", included=100),),
    trial_days=14,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("cycle", "currency", "minor"),
    [
        (None, None, 3000),
        ("monthly", None, 3000),
        (None, "USD", 3300),
        ("monthly", "USD", 3300),
        ("yearly", "EUR", 30000),
    ],
)
def test_finds_the_price_that_fits(cycle, currency, minor):
    assert terms.price_of(PLAN, cycle=cycle, currency=currency).unit_amount.minor == minor


@pytest.mark.parametrize(
    ("cycle", "currency", "field"),
    [("weekly", None, "billing_cycle"), ("weekly", "USD", "billing_cycle"), ("yearly", "USD", "currency")],
)
def test_names_the_field_that_does_not_fit(cycle, currency, field):
    with pytest.raises(NoSuchPrice) as refused:
        terms.price_of(PLAN, cycle=cycle, currency=currency)
    assert refused.value.field == field


def test_agrees_up_to_the_limit_and_not_beyond():
    assert terms.agreed(PLAN, PLAN.prices[0], quantity=100).amount == Money(300_000, "EUR")
    with pytest.raises(QuantityTooLarge):
        terms.agreed(PLAN, PLAN.prices[0], quantity=101)


def test_refuses_sums_that_no_column_holds():
    unlimited = Plan(**{**{name: getattr(PLAN, name) for name in PLAN.__slots__}, "limits": ()})
    with pytest.raises(AmountTooLarge):
        terms.agreed(unlimited, PLAN.prices[0], quantity=10**9 * 100)


def had(plan_id, *, trial, status="canceled"):
    return SimpleNamespace(terms=SimpleNamespace(plan_id=plan_id), trial_ends_at=trial, status=status)


@pytest.mark.shows("API6", "ASVS 2.3.2")
@pytest.mark.parametrize(
    ("asked", "before", "days"),
    [
        (None, [], 14),
        (None, [had(PLAN.id, trial="once")], 0),
        (None, [had(PLAN.id, trial=None)], 14),
        (None, [had(UUID(int=9), trial="once")], 14),
        (30, [had(PLAN.id, trial="once")], 30),
        (0, [], 0),
    ],
)
def test_gives_a_trial_once_for_each_plan_unless_staff_says_otherwise(asked, before, days):
    assert terms.trial_days(PLAN, asked=asked, had=before) == days


@pytest.mark.parametrize(
    ("interval", "name"),
    [(MONTH, "monthly"), (YEAR, "yearly"), (Interval(Unit.WEEK, 3), "every_3_weeks"), (Interval(Unit.DAY), "daily")],
)
def test_names_a_cycle_as_the_catalog_does(interval, name):
    assert terms.cycle_name(interval) == name


@pytest.mark.parametrize(
    ("when", "net", "is_cheaper", "at_once"),
    [
        (None, 1, False, True),
        (None, 0, False, True),
        (None, 0, True, False),  # nothing is prorated: the lower price comes with the next period
        (None, 1, True, False),  # nothing comes back for the higher one: it was free, or its money is gone
        (None, -1, True, False),
        (None, -1, False, False),
        (When.NOW, 1, False, True),
        (When.NOW, -1, True, True),
        (When.PERIOD_END, 1, False, False),
        (When.PERIOD_END, -1, True, False),
    ],
)
def test_takes_effect_now_where_it_costs_more_and_with_the_next_period_where_less(when, net, is_cheaper, at_once):
    assert change.is_at_once(when, net=Money(net, "EUR"), is_cheaper=is_cheaper) is at_once
