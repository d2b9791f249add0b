"""What holds of proration whatever is changed, whenever, and on whatever basis."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.rules import proration
from guilder.kernel.period import Period
from tests.unit.invoicing.rules.test_proration import JUNE, Books, a_subscription, eur, net, terms

prices = st.integers(0, 10**9)
moments = st.integers(0, 30 * 24 * 3600 - 1).map(lambda s: JUNE.starts_at + timedelta(seconds=s))
bases = st.sampled_from(Basis)


@given(st.lists(st.tuples(prices, moments, bases), min_size=1, max_size=8), prices)
def test_whatever_is_changed_however_often_no_more_is_credited_than_was_billed(changes, first):
    books = Books(terms(first))
    for number, (price, when, basis) in enumerate(sorted(changes, key=lambda each: each[1])):
        books.change(terms(price, name=f"P{number}", basis=basis), when)
        assert all(0 <= line.left.minor <= line.amount.minor for line in books.lines)
        assert all(0 <= line.left_tax.minor <= line.tax.minor for line in books.lines)
    made = proration.unused(books.subscription, standing=books.standing, cause="end", at=books.subscription.created_at)
    assert -net(made) <= sum(line.left.minor for line in books.lines)


@given(prices, prices, moments, bases, bases, st.fractions(0, 1), st.fractions(0, 1))
def test_a_change_and_its_reverse_at_one_instant_cost_nothing(old, new, when, one, other, first, second):
    # Whatever the discounts, then and now, and whatever the bases of the two plans.
    fee = old - eur(old).times_half_up(first).minor
    books = Books(terms(old, basis=one, is_tax_inclusive=True), fee=fee, is_discounted=old > 0)
    forth = books.change(terms(new, name="Scale", basis=other, is_tax_inclusive=True), when, discount=second)
    back = books.change(terms(old, basis=one, is_tax_inclusive=True), when)
    assert net(forth) + net(back) == 0
    assert sum(_tax(line, books) for line in [*forth, *back]) == 0


def _tax(line, books):
    """Return the tax of a line as it was billed: known with it, or worked out when it was."""
    if line.tax is not None:
        return line.tax.minor
    return next(each.tax.minor for each in books.lines if each.amount == line.amount and each.period == line.period)


@given(prices, st.lists(prices, min_size=1, max_size=5), moments, bases)
def test_a_round_of_changes_at_one_instant_costs_nothing(old, others, when, basis):
    books = Books(terms(old, basis=basis), fee=old)
    made = [books.change(terms(price, name=f"P{n}", basis=basis), when) for n, price in enumerate(others)]
    made.append(books.change(terms(old, basis=basis), when))
    assert sum(net(lines) for lines in made) == 0


@given(prices, moments, bases)
def test_a_change_to_the_same_price_costs_nothing(price, when, basis):
    assert net(Books(terms(price)).change(terms(price, name="Same", basis=basis), when)) == 0


@given(prices, moments, st.sampled_from([Basis.SECOND, Basis.DAY, Basis.DAY_30]))
def test_what_was_used_and_what_is_left_add_up_to_the_price(price, when, basis):
    [*credit] = Books(terms(price)).change(terms(0, name="Free", basis=basis), when)
    [*charge] = Books(terms(0)).change(terms(price, name="Pro", basis=basis), when)
    assert net(credit) + net(charge) == 0


@given(prices, prices, moments)
def test_a_dearer_plan_never_costs_less_and_a_cheaper_one_never_more(old, new, when):
    difference = net(Books(terms(old)).change(terms(new, name="New"), when))
    assert difference * (new - old) >= 0
    exact = (new - old) * JUNE.share_left(when)
    assert abs(difference - exact) <= 1


@given(st.fractions(0, 1))
def test_a_share_is_written_in_per_cent_without_a_float(share):
    whole, digits = proration.percent(share).split(".")
    assert len(digits) == 2
    assert abs(Fraction(Decimal(f"{whole}.{digits}")) - share * 100) <= Fraction(1, 200)


@given(prices, moments, moments, bases)
def test_less_is_credited_the_later_it_is(price, one, other, basis):
    earlier, later = (
        net(
            proration.unused(
                a_subscription(terms(price, basis=basis)), standing=Books(terms(price)).standing, cause="e", at=each
            )
        )
        for each in sorted((one, other))
    )
    assert earlier <= later


def _naive_days(full, when, zone):
    """Count the dates of a period that are left, one by one."""
    day, last, left = when.astimezone(zone).date(), full.ends_at.astimezone(zone).date(), 0
    while day < last:
        day, left = day + timedelta(days=1), left + 1
    return left


@given(prices, prices, moments, st.sampled_from(["UTC", "Asia/Kolkata", "America/Los_Angeles"]))
def test_by_dates_it_is_what_counting_dates_gives(old, new, when, zone):
    where = ZoneInfo(zone)
    first = datetime(2026, 6, 1, tzinfo=where).astimezone(UTC)
    full = Period(first, datetime(2026, 7, 1, tzinfo=where).astimezone(UTC))
    when = max(when, first)
    share = Fraction(_naive_days(full, when, where), 30)
    made = Books(terms(old), period=full, zone=zone).change(terms(new, name="New", basis=Basis.DAY), when)
    assert net(made) == eur(new).times_half_up(share).minor - eur(old).times_half_up(share).minor
