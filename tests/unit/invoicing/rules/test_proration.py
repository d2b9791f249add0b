from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guilder.domain.invoicing.model import LineKind
from guilder.domain.invoicing.rules import proration
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Period, Unit

JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
MONTH, YEAR = Interval(Unit.MONTH), Interval(Unit.YEAR)

prices = st.integers(0, 10**9)
moments = st.integers(0, 30 * 24 * 3600).map(lambda s: JUNE.starts_at + timedelta(seconds=s))


def eur(minor):
    return Money(minor, "EUR")


def terms(amount, *, interval=MONTH, quantity=1, name="Pro"):
    return Terms(
        plan_id=UUID(int=9),
        plan_code=name.lower(),
        plan_version=1,
        plan_name=name,
        billing_cycle="monthly",
        interval=interval,
        unit_amount=eur(amount),
        quantity=quantity,
    )


def a_subscription(old):
    return Subscription(
        tenant_id=TenantId(UUID(int=1)),
        id=UUID(int=3),
        customer_id=CustomerId(UUID(int=2)),
        organization_id="org_1",
        terms=old,
        status=Status.ACTIVE,
        anchor_at=JUNE.starts_at,
        time_zone="UTC",
        period_number=0,
        current_period=JUNE,
        created_at=JUNE.starts_at,
    )


def change(old, new, at, *, left=None, cause="c1"):
    return proration.lines(
        a_subscription(old),
        new,
        billed=old.amount,
        left_to_credit=old.amount if left is None else left,
        cause=cause,
        changed_at=at,
    )


def net(lines):
    return sum(line.amount.minor for line in lines)


@pytest.mark.parametrize(
    ("at", "old", "new", "credit", "charge"),
    [
        ("2026-06-01 00:00", 3_000, 5_000, -3_000, 5_000),
        ("2026-06-16 00:00", 3_000, 5_000, -1_500, 2_500),
        ("2026-06-21 00:00", 3_000, 5_000, -1_000, 1_667),  # a third of 50.00
        ("2026-06-30 23:59", 3_000, 5_000, 0, 0),  # a minute of it is less than half a cent
        ("2026-06-16 00:00", 1, 3, -1, 2),  # halves go up, on both sides
        ("2026-06-16 00:00", 5_000, 3_000, -2_500, 1_500),
        ("2026-06-16 00:00", 0, 3_000, 0, 1_500),
    ],
)
def test_the_unused_part_is_credited_and_the_rest_is_charged(at, old, new, credit, charge):
    at = datetime.fromisoformat(f"{at}+00:00")
    assert proration.credit_for_unused(eur(old), eur(old), JUNE, changed_at=at) == eur(credit)
    assert proration.charge_for_rest(eur(new), JUNE, changed_at=at) == eur(charge)
    kinds = {LineKind.PRORATION_CREDIT: credit, LineKind.PRORATION_CHARGE: charge}
    made = change(terms(old), terms(new), at)
    assert {line.kind: line.amount.minor for line in made} == {kind: amount for kind, amount in kinds.items() if amount}


@pytest.mark.parametrize("at", [JUNE.ends_at, JUNE.ends_at + timedelta(days=9)])
def test_nothing_is_credited_or_charged_after_the_period(at):
    assert change(terms(3_000), terms(5_000), at) == []


def test_a_change_before_the_period_is_a_change_of_all_of_it():
    lines = change(terms(3_000), terms(5_000), JUNE.starts_at - timedelta(days=1))
    assert [line.amount.minor for line in lines] == [-3_000, 5_000]
    assert {line.period for line in lines} == {JUNE}


def test_the_length_of_the_period_is_its_real_one_over_a_change_of_the_clock():
    # Amsterdam's March is an hour short: 743 hours, of which 372 are left.
    march = Period(datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))
    at = march.ends_at - timedelta(hours=372)
    assert proration.charge_for_rest(eur(74_300), march, changed_at=at) == eur(37_200)


def test_seats_prorate_as_prices_do():
    lines = change(terms(1_000, quantity=3), terms(1_000, quantity=5), JUNE.starts_at + timedelta(days=15))
    assert [(line.amount.minor, line.quantity) for line in lines] == [(-1_500, 1), (2_500, 5)]


def test_a_change_of_interval_credits_only_as_its_fee_is_billed_whole():
    [line] = change(terms(3_000), terms(30_000, interval=YEAR), JUNE.starts_at + timedelta(days=15))
    assert (line.kind, line.amount.minor) == (LineKind.PRORATION_CREDIT, -1_500)


def test_a_line_says_how_it_was_worked_out():
    at = JUNE.starts_at + timedelta(days=20)
    credit, charge = change(terms(3_000), terms(5_000, name="Scale"), at)
    assert (credit.description, charge.description) == ("Unused time on Pro", "Remaining time on Scale")
    assert charge.period == replace(JUNE, starts_at=at)
    said = charge.explanation
    assert (said["full_amount"], said["share"], said["basis"], said["rounding"]) == (5_000, [1, 3], "second", "half_up")
    assert said["sentence"] == ("33.33 % of the period is left at 2026-06-21 00:00 UTC: 1/3 of 50.00 EUR is 16.67 EUR.")


def test_each_change_is_a_thing_of_its_own_that_is_billed():
    def items(cause):
        lines = change(terms(300), terms(500), JUNE.starts_at + timedelta(days=3), cause=cause)
        return {line.billed_item for line in lines}

    assert len(items("a") | items("b")) == 4
    assert items("a") == items("a")


@given(prices, prices, moments)
def test_a_credit_is_never_more_than_what_is_left_of_what_was_billed(billed, left, at):
    credit = proration.credit_for_unused(eur(billed), eur(min(left, billed)), JUNE, changed_at=at)
    assert -min(left, billed) <= credit.minor <= 0


@given(prices, prices, moments)
def test_a_change_and_its_reverse_at_one_instant_cost_nothing(old, new, at):
    forth = change(terms(old), terms(new), at, cause="forth")
    credited = -sum(line.amount.minor for line in forth if line.kind is LineKind.PRORATION_CREDIT)
    charged = sum(line.amount.minor for line in forth if line.kind is LineKind.PRORATION_CHARGE)
    back = change(terms(new), terms(old), at, left=eur(old - credited + charged), cause="back")
    assert net(forth) + net(back) == 0


@given(prices, moments)
def test_a_change_to_the_same_price_costs_nothing(price, at):
    assert net(change(terms(price), terms(price, name="Same"), at)) == 0


@given(prices, moments)
def test_what_was_used_and_what_is_left_add_up_to_the_price(price, at):
    used = eur(price) + proration.credit_for_unused(eur(price), eur(price), JUNE, changed_at=at)
    assert used + proration.charge_for_rest(eur(price), JUNE, changed_at=at) == eur(price)


@given(prices, prices, moments)
def test_a_dearer_plan_never_costs_less_and_a_cheaper_one_never_more(old, new, at):
    difference = net(change(terms(old), terms(new), at))
    assert difference * (new - old) >= 0
    exact = (new - old) * JUNE.share_left(at)
    assert abs(difference - exact) <= 1


@given(st.lists(st.tuples(prices, moments), min_size=1, max_size=8), prices)
def test_whatever_is_changed_however_often_no_more_is_credited_than_was_billed(changes, first):
    present, billed, credited = terms(first), first, 0
    for number, (price, at) in enumerate(sorted(changes, key=lambda each: each[1])):
        made = change(present, terms(price), at, left=eur(billed - credited), cause=str(number))
        credited -= sum(line.amount.minor for line in made if line.amount.minor < 0)
        billed += sum(line.amount.minor for line in made if line.amount.minor > 0)
        assert 0 <= credited <= billed
        present = terms(price)


@given(st.fractions(0, 1))
def test_a_share_is_written_in_per_cent_without_a_float(share):
    whole, digits = proration.float_free_percent(share).split(".")
    assert len(digits) == 2
    assert abs(Fraction(Decimal(f"{whole}.{digits}")) - share * 100) <= Fraction(1, 200)


@given(prices, moments, moments)
def test_less_is_credited_the_later_it_is(price, one, other):
    assume(one < other)
    earlier, later = (
        proration.credit_for_unused(eur(price), eur(price), JUNE, changed_at=each) for each in (one, other)
    )
    assert earlier <= later
