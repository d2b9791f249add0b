from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.invoicing.model import AppliedRate
from guilder.domain.invoicing.rules import totals
from guilder.kernel.money import Money

VAT = {Decimal(19): ("VAT", ""), Decimal(7): ("Reduced VAT", "Books.")}

amounts = st.integers(-(10**9), 10**9)
percents = st.sampled_from([Decimal(each) for each in ("0", "7", "19", "20", "8.875", "5.5")])


def of(*lines):
    return totals.of([taxable(amount, percent) for amount, percent in lines], currency="EUR")


def taxable(amount, percent, **over):
    name, note = VAT.get(Decimal(percent), ("", ""))
    return totals.Taxable(
        Money(amount, "EUR"), AppliedRate(name=name, percent=Decimal(percent), legal_note=note), **over
    )


@pytest.mark.parametrize(
    ("net", "percent", "tax"),
    [
        (1_000, "19", 190),
        (999, "19", 190),  # 189.81
        (10, "5", 1),  # 0.5 goes up
        (-10, "5", -1),  # and away from zero
        (30, "5", 2),  # 1.5
        (9, "5", 0),  # 0.45
        (1, "0", 0),
        (12_345, "8.875", 1_096),  # 1095.61875
        (10**15, "19", 19 * 10**13),
    ],
)
def test_tax_is_rounded_half_up_once(net, percent, tax):
    assert totals.tax_of(net, Decimal(percent)) == tax


@pytest.mark.parametrize(
    ("back", "is_inclusive", "left", "given"),
    [
        (59, False, (59, 5), (-59, -5)),  # all: 5.9 alone, and 5 of the running total that it was billed with
        (2_992, False, (2_992, 300), (-2_992, -300)),  # 299.2 alone
        (55, False, (59, 5), (-55, -5)),  # 5.5 would be 6
        (54, False, (59, 6), (-54, None)),  # worked out with the other lines
        (59, False, (30, 3), (-59, None)),  # a part of it was billed by another line
        (59, True, (53, 6), (-53, -6)),  # 5.36 alone
        (58, True, (54, 5), (-53, -5)),  # 5.27 could be 6
        (11, True, (53, 6), (-11, None)),
    ],
)
def test_what_is_given_back_takes_no_more_tax_than_is_left(back, is_inclusive, left, given):
    line = taxable(-back, 10, is_inclusive=is_inclusive)
    found = totals.giving_back(line, net_left=left[0], tax_left=left[1])
    assert (found.amount.minor, found.tax and found.tax.minor) == given


@pytest.mark.parametrize(
    ("lines", "line_taxes", "tax"),
    [
        ([(1_000, 19), (250, 19)], [190, 48], 238),  # 237.5 is rounded once, not 190 + 47.5 each
        ([(3, 19), (3, 19), (3, 19)], [1, 0, 1], 2),  # 1.71; line by line it would be 3 x 0.57 = 3
        ([(100, 19), (100, 7), (100, 0)], [19, 7, 0], 26),
        ([(1_000, 19), (-1_000, 19)], [190, -190], 0),
        ([(1_000, 19), (-333, 19)], [190, -63], 127),  # 19 % of 667 is 126.73
        ([], [], 0),
    ],
)
def test_tax_is_worked_out_by_rate_and_shared_out_to_the_lines(lines, line_taxes, tax):
    worked = of(*lines)
    assert [each.minor for each in worked.line_taxes] == line_taxes
    assert (worked.tax.minor, worked.subtotal.minor) == (tax, sum(amount for amount, _ in lines))


def test_each_rate_is_shown_with_its_net_tax_name_and_note():
    shown = of((1_000, 19), (200, 7), (50, 19)).taxes
    assert [(each.name, each.percent, each.net.minor, each.tax.minor, each.legal_note) for each in shown] == [
        ("Reduced VAT", 7, 200, 14, "Books."),
        ("VAT", 19, 1_050, 200, ""),
    ]


@given(st.lists(st.tuples(amounts, percents), max_size=30))
def test_parts_add_up(lines):
    worked = of(*lines)
    assert worked.total == worked.subtotal + worked.tax
    assert sum(each.minor for each in worked.line_taxes) == worked.tax.minor
    assert sum(each.tax.minor for each in worked.taxes) == worked.tax.minor
    assert sum(each.net.minor for each in worked.taxes) == worked.subtotal.minor
    for shown in worked.taxes:
        mine = [
            tax.minor for tax, (_, percent) in zip(worked.line_taxes, lines, strict=True) if percent == shown.percent
        ]
        assert sum(mine) == shown.tax.minor == totals.tax_of(shown.net.minor, shown.percent)


@given(st.lists(st.tuples(amounts, percents), min_size=1, max_size=30))
def test_no_line_is_off_its_own_tax_by_more_than_a_unit(lines):
    for tax, (amount, percent) in zip(of(*lines).line_taxes, lines, strict=True):
        assert abs(tax.minor - amount * percent / 100) <= 1


@given(st.lists(st.tuples(amounts, percents), max_size=10))
def test_what_is_billed_and_credited_in_full_comes_to_nothing(lines):
    worked = of(*lines, *[(-amount, percent) for amount, percent in lines])
    assert worked.total.minor == worked.tax.minor == worked.subtotal.minor == 0
