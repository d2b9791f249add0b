from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.invoicing.model import AppliedRate, Discount, Draft, LineKind, NewLine
from guilder.domain.invoicing.rules import discounting, totals
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.support.builders.identity import NOW
from tests.unit.invoicing.rules.test_worked_tables import table

ID = UUID(int=1)
RATES = [AppliedRate(name=f"VAT {percent}", percent=Decimal(percent)) for percent in (0, 7, 19, 25)]


def a_discount(n=1, *, percent=None, amount=None, **over):
    said = {
        "tenant_id": ID,
        "id": UUID(int=n),
        "customer_id": ID,
        "subscription_id": None,
        "promo_code_id": ID,
        "code": f"CODE{n}",
        "name": "",
        "percent": None if percent is None else Decimal(percent),
        "amount": None if amount is None else Money(amount, "EUR"),
        "periods_left": None,
        "plan_ids": (),
        "redeemed_at": NOW,
        "number": n,
    }
    return Discount(**{**said, **over})


def a_draft(*amounts, **over):
    lines = tuple(
        NewLine(kind=LineKind.CHARGE, description="", amount=Money(amount, "EUR"), billed_item=f"item:{n:03}")
        for n, amount in enumerate(amounts)
    )
    said = {"tenant_id": ID, "customer_id": ID, "currency": "EUR", "lines": lines, "issued_at": NOW}
    return Draft(**{**said, **over})


def off(text, n):
    return a_discount(n, percent=text.removesuffix(" %")) if text.endswith("%") else a_discount(n, amount=int(text))


@pytest.mark.parametrize("row", table("discounts.md", "lines"), ids=lambda row: " ".join(row[:2]))
def test_the_worked_table(row):
    amounts, left = ([int(each) for each in row[n].split(",")] for n in (0, 2))
    discounts = [off(each.strip(), n) for n, each in enumerate(row[1].split(" then "), start=1)]
    done = discounting.apply(a_draft(*amounts), discounts)
    assert [each.minor for each in done.left] == left
    assert sum(each.amount.minor for each in done.taken) == int(row[3])


amounts = st.lists(st.integers(-10_000, 10_000_000), min_size=1, max_size=12)
percents = st.decimals(min_value="0.01", max_value=100, places=2)
discounts = st.lists(
    st.one_of(percents.map(lambda p: a_discount(percent=p)), st.integers(1, 10**7).map(lambda a: a_discount(amount=a))),
    max_size=4,
)


@given(amounts, discounts)
def test_parts_add_up_and_no_line_goes_below_zero(lines, stack):
    done = discounting.apply(a_draft(*lines), stack)
    for before, after in zip(lines, done.left, strict=True):
        assert min(before, 0) <= after.minor <= before
    assert sum(lines) - sum(each.minor for each in done.left) == sum(each.amount.minor for each in done.taken)


@given(amounts, st.randoms(use_true_random=False), discounts)
def test_the_order_of_the_lines_changes_nothing(lines, chance, stack):
    draft = a_draft(*lines)
    shuffled = list(draft.lines)
    chance.shuffle(shuffled)
    one, other = (discounting.apply(each, stack) for each in (draft, replace(draft, lines=tuple(shuffled))))
    by_item = dict(zip([line.billed_item for line in shuffled], other.left, strict=True))
    assert [by_item[line.billed_item] for line in draft.lines] == list(one.left)


@given(amounts, percents)
def test_a_percentage_is_what_a_naive_sum_says(lines, percent):
    done = discounting.apply(a_draft(*lines), [a_discount(percent=percent)])
    exact = Fraction(sum(each for each in lines if each > 0)) * Fraction(percent) / 100
    taken = sum(each.amount.minor for each in done.taken)
    assert abs(taken - exact) <= Fraction(1, 2)
    for before, after in zip(lines, done.left, strict=True):
        assert abs(before - after.minor - max(before, 0) * Fraction(percent) / 100) < 2


taxed_lines = st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from(RATES), st.booleans()), min_size=1, max_size=12)


@given(taxed_lines, discounts, st.randoms(use_true_random=False))
def test_discounts_and_tax_leave_no_line_negative_and_add_up(lines, stack, chance):
    done = discounting.apply(a_draft(*[amount for amount, _, _ in lines]), stack)
    priced = [
        totals.Taxable(left, rate, is_inclusive=is_inclusive)
        for left, (_, rate, is_inclusive) in zip(done.left, lines, strict=True)
    ]
    worked = totals.of(priced, currency="EUR")
    assert all(each.minor >= 0 for each in (*worked.nets, *worked.line_taxes))
    assert worked.total == worked.subtotal + worked.tax
    assert sum(each.net.minor for each in worked.taxes) == worked.subtotal.minor
    assert sum(each.tax.minor for each in worked.taxes) == worked.tax.minor
    for line, net, tax in zip(priced, worked.nets, worked.line_taxes, strict=True):
        assert not line.is_inclusive or net + tax == line.amount
    chance.shuffle(priced)
    assert totals.of(priced, currency="EUR").taxes == worked.taxes


# Half of a period is given back, and charged for again at another price.
CHANGE = (
    NewLine(
        kind=LineKind.PRORATION_CREDIT,
        description="",
        amount=Money(-1_200, "EUR"),
        is_discountable=False,
        subscription_id=ID,
        credits_line_id=UUID(int=7),
        billed_item="credit",
    ),
    NewLine(
        kind=LineKind.PRORATION_CHARGE,
        description="",
        amount=Money(2_500, "EUR"),
        subscription_id=ID,
        billed_item="charge",
        explanation={"share": [1, 2]},
    ),
)
FEE = replace(CHANGE[1], kind=LineKind.RECURRING, amount=Money(3_000, "EUR"), billed_item="fee", explanation={})


@pytest.mark.parametrize(
    ("discount", "is_carried", "taken", "is_counted"),
    [
        (a_discount(percent=20, periods_left=2), True, 500, False),
        (a_discount(percent=20, periods_left=0), True, 500, False),  # its last period takes it to the end
        (a_discount(percent=20, periods_left=0, ended_at=NOW), True, 0, False),
        (a_discount(percent=20, periods_left=0), False, 0, False),
        (a_discount(percent=20, periods_left=2), False, 500, True),  # redeemed within the period
        (a_discount(amount=600), True, 300, False),  # 6.00 off a whole period is 3.00 off half of one
        (a_discount(amount=600, periods_left=1), False, 300, True),
        (a_discount(amount=9_000), True, 2_500, False),
        (a_discount(amount=900), 600, 300, False),  # 3.00 of 9.00 were off something else of the invoice
    ],
)
def test_the_rest_of_a_period_takes_what_the_period_took_and_uses_no_period_up(discount, is_carried, taken, is_counted):
    all_of_it = discount.amount and discount.amount.minor
    carried = {ID: {discount.id: all_of_it if is_carried is True else is_carried}} if is_carried else {}
    done = discounting.apply(a_draft(lines=CHANGE), [discount], carried)
    assert [each.minor for each in done.left] == [-1_200, 2_500 - taken]
    assert [each.is_counted for each in done.taken] == [is_counted] * bool(taken)


def test_a_new_period_beside_the_rest_of_another_uses_one_up():
    other = replace(FEE, subscription_id=UUID(int=2))
    done = discounting.apply(
        a_draft(lines=(*CHANGE, other)), [a_discount(percent=20, periods_left=1)], {ID: {ID: None}}
    )
    assert [each.minor for each in done.left] == [-1_200, 2_000, 2_400]
    assert [each.is_counted for each in done.taken] == [True]
    spent = discounting.apply(
        a_draft(lines=(*CHANGE, other)), [a_discount(percent=20, periods_left=0)], {ID: {ID: None}}
    )
    assert [each.minor for each in spent.left] == [-1_200, 2_000, 3_000]
