"""Which prepaid credits pay for which use: docs/design/prepaid.md."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.invoicing.model import Draft, LineKind, NewLine, PrepaidGrant
from guilder.domain.invoicing.rules import prepaid
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money

AT = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def eur(minor):
    return Money(minor, "EUR")


def a_grant(number, left, *, currency="EUR", **over):
    said = {
        "tenant_id": TenantId(UUID(int=1)),
        "id": UUID(int=number),
        "customer_id": CustomerId(UUID(int=2)),
        "amount": Money(left, currency),
        "left": Money(left, currency),
        "priority": 0,
        "granted_at": AT - DAY,
        "expires_at": None,
        "is_paid": False,
    }
    return PrepaidGrant(**{**said, **over})


def a_line(number, amount, kind=LineKind.USAGE, **over):
    return NewLine(kind=kind, description="Calls", amount=eur(amount), billed_item=f"use:{number}", **over)


def a_draft(*lines):
    return Draft(
        tenant_id=TenantId(UUID(int=1)),
        customer_id=CustomerId(UUID(int=2)),
        currency="EUR",
        lines=lines,
        issued_at=AT,
    )


def shown(draft):
    return [(line.kind.value, line.amount.minor, line.is_discountable) for line in draft.lines]


def test_the_lowest_priority_pays_first_then_what_expires_first():
    grants = [
        a_grant(1, 1_000, priority=2),
        a_grant(2, 700, priority=1, expires_at=AT + 14 * DAY),
        a_grant(3, 600, priority=1, expires_at=AT + 9 * DAY),
    ]
    draft, draws = prepaid.apply(a_draft(a_line(1, 1_500), a_line(2, 100, LineKind.RECURRING)), grants)
    assert [(each.grant.id.int, each.amount.minor) for each in draws] == [(3, 600), (2, 700), (1, 200)]
    assert shown(draft) == [
        ("usage", 1_500, False),
        ("prepaid", -600, False),
        ("prepaid", -700, False),
        ("prepaid", -200, False),
        ("recurring", 100, True),
    ]


def test_a_line_that_is_paid_in_part_is_shown_in_two():
    draft, [draw] = prepaid.apply(a_draft(a_line(1, 1_000)), [a_grant(1, 600)])
    assert shown(draft) == [("usage", 400, True), ("usage", 600, False), ("prepaid", -600, False)]
    assert len({line.billed_item for line in draft.lines}) == 3
    assert draw.billed_item == draft.lines[2].billed_item


def test_each_tax_category_is_paid_for_by_a_line_that_is_taxed_as_it_is():
    draft, draws = prepaid.apply(
        a_draft(a_line(1, 100, tax_category="books"), a_line(2, 200, tax_category="")), [a_grant(1, 600)]
    )
    assert [(line.tax_category, line.amount.minor) for line in draft.lines if line.kind is LineKind.PREPAID] == [
        ("books", -100),
        ("", -200),
    ]
    assert len(draws) == 2


def test_what_is_not_good_on_the_date_pays_nothing():
    bad = [
        a_grant(1, 100, granted_at=AT + DAY),
        a_grant(2, 100, expires_at=AT),
        a_grant(3, 0, amount=eur(5)),
        a_grant(4, 100, currency="USD"),
    ]
    draft, draws = prepaid.apply(a_draft(a_line(1, 1_000)), bad)
    assert (shown(draft), draws) == ([("usage", 1_000, True)], [])


@given(
    st.lists(st.integers(-500, 2_000).filter(bool), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, 1_500), st.integers(0, 2)), max_size=4),
)
def test_credits_pay_what_there_is_of_use_and_no_more_than_there_is_of_them(amounts, left):
    grants = [a_grant(n, minor, priority=priority) for n, (minor, priority) in enumerate(left, start=1)]
    lines = [a_line(n, amount) for n, amount in enumerate(amounts)]
    draft, draws = prepaid.apply(a_draft(*lines), grants)
    used = sum(amount for amount in amounts if amount > 0)
    drawn = sum(each.amount.minor for each in draws)
    assert drawn == min(used, sum(minor for minor, _ in left))
    assert sum(line.amount.minor for line in draft.lines) == sum(amounts) - drawn
    for grant in grants:
        assert sum(each.amount.minor for each in draws if each.grant == grant) <= grant.left.minor


def test_what_is_taken_is_what_is_back_of_the_price_less_what_was_taken():
    cases = [
        # had, left, drawn, back of the price: taken
        (5000, 5000, 0, 2000, 2000),
        (5000, 3000, 0, 2000, 0),
        (5000, 3000, 0, 2500, 500),
        (5000, 1000, 4000, 5000, 1000),
        (5000, 2500, 1000, 3500, 2000),
        (5000, 0, 5000, 5000, 0),
        (5000, 2000, 1000, 1000, 0),
    ]
    for had, left, drawn, back, taken in cases:
        grant = a_grant(1, left, amount=eur(had))
        assert prepaid.to_take(grant, drawn_minor=drawn, price_back_minor=back) == eur(taken), (had, left, drawn, back)
