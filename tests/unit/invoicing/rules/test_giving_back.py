"""Money and credit together never give more of an invoice back than it was paid with."""

from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.invoicing.rules import giving_back
from guilder.domain.invoicing.rules.correcting import CreditTooLarge
from guilder.domain.invoicing.rules.giving_back import Charged, Given, Parts
from guilder.kernel.ids import Ref, TenantId

TENANT = TenantId(UUID(int=1))


@pytest.mark.parametrize(
    ("amount", "stands", "parts"),
    [
        (1000, {}, Parts(1000, 0, 0)),
        (1000, {"refunded": 300, "back": 300}, Parts(700, 300, 0)),
        (1000, {"refunded": 1000, "back": 1000}, Parts(0, 1000, 0)),
        (700, {"refunded": 300, "back": 300}, Parts(700, 0, 0)),
        (700, {"credited": 300}, Parts(700, 0, 0)),
        (1000, {"disputed": 400, "lost": 400}, Parts(600, 0, 400)),
        (1000, {"refunded": 300, "back": 300, "disputed": 400, "lost": 400}, Parts(300, 300, 400)),
        (600, {"refunded": 400, "back": 400, "documented": 400}, Parts(600, 0, 0)),
        (1000, {"refunded": 300}, None),  # on its way: it may fail
        (1000, {"disputed": 400}, None),  # the bank has not decided
        (701, {"credited": 300}, None),
    ],
)
def test_a_note_is_credit_and_documents_what_went_back_before(amount, stands, parts):
    stand = Given(paid=1000, **stands)
    if parts is None:
        with pytest.raises(CreditTooLarge):
            giving_back.parts(amount, stand)
    else:
        assert giving_back.parts(amount, stand) == parts


def line(number, minor, credited=0):
    return Charged(Ref(TENANT, UUID(int=number)), minor, minor - credited)


@pytest.mark.parametrize(
    ("minor", "charged", "parts"),
    [
        (1190, [line(1, 3570)], [Fraction(1, 3)]),  # a third of 30.00 and 19 % tax
        (
            1500,
            [line(1, 3000)],
            [Fraction(1, 2)],
        ),  # an upgrade: 30.00 charged, 15.00 credited, and those 15.00 refunded
        (9999, [line(1, 1000), line(2, 2000)], [1, 1]),
        (2000, [line(1, 2000), line(2, 1000, credited=1000)], [1]),  # nothing was left of the second
        (900, [line(1, 2000), line(2, 1000, credited=900)], [Fraction(800, 2000), Fraction(1, 10)]),
        (900, [line(1, 2000), line(2, 1000)], [Fraction(3, 10)] * 2),
        (500, [], []),
    ],
)
def test_money_that_went_back_without_a_note_takes_of_each_line_its_share(minor, charged, parts):
    assert list(giving_back.gone(minor, charged).values()) == parts


@pytest.mark.parametrize(
    ("minor", "part", "taken"), [(3000, "1/3", 1000), (1000, "1/3", 334), (1, "1/9", 1), (-5, "1", 0)]
)
def test_a_part_of_a_line_is_rounded_up(minor, part, taken):
    assert giving_back.went(minor, Fraction(part)) == taken


LINES = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=1, max_size=4)


@given(minor=st.integers(1, 4000), lines=LINES)
def test_what_went_and_what_was_credited_leave_of_all_lines_what_is_left_of_them_together(minor, lines):
    charged = [line(number, amount, min(credited, amount)) for number, (amount, credited) in enumerate(lines)]
    parts = giving_back.gone(minor, charged)
    left = [each.left - each.minor * parts.get(each.line, 0) for each in charged]
    assert all(each >= 0 for each in left)
    assert sum(left) == max(sum(each.left for each in charged) - minor, 0)


def test_a_mere_document_is_of_what_went_back():
    stand = Given(paid=1000, refunded=300, back=300, documented=100)
    assert giving_back.document(200, stand) == Parts(0, 200, 0)
    with pytest.raises(CreditTooLarge):
        giving_back.document(201, stand)


MOVES = st.lists(
    st.tuples(st.sampled_from(["refund", "note", "document", "lose", "pay out", "fail"]), st.integers(1, 1200)),
    max_size=12,
)


@given(paid=st.integers(1, 1000), applied=st.integers(0, 300), moves=MOVES)
def test_whatever_is_done_in_whatever_order_no_more_goes_back_than_came_in(paid, applied, moves):
    """Naively: a list of what went back, as money or as credit, and its sum. A refund is bounded as payments does it."""
    gifts, refunded, lost, credited, documented = [], 0, 0, 0, 0
    for move, amount in moves:
        stand = Given(
            paid=paid + applied,
            refunded=refunded,
            back=refunded,
            disputed=lost,
            lost=lost,
            credited=credited,
            documented=documented,
        )
        held = giving_back.withheld(credited, paid_by_credit=applied)
        money_left = paid - refunded - lost - held
        if move == "refund" and amount <= money_left:
            gifts.append(amount)
            refunded += amount
        elif move == "lose" and amount <= money_left:
            gifts.append(amount)
            lost += amount
        elif move in {"note", "document"}:
            try:
                parts = (giving_back.parts if move == "note" else giving_back.document)(amount, stand)
            except CreditTooLarge:
                continue
            assert parts.credit + parts.documented == amount
            gifts.append(parts.credit)
            credited += parts.credit
            documented += parts.documented
    assert sum(gifts) <= paid + applied
    assert documented <= refunded + lost
