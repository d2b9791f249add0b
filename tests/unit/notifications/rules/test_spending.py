from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.notifications.model import Ceiling, Channel, Limits, Spent
from guilder.domain.notifications.rules.spending import Asked, BadLimits, admit, ceiling, checked, estimated_cost
from guilder.kernel.ids import Ref, TenantId

TENANT = TenantId(UUID(int=1))


def asked(*each):
    return [
        Asked(Ref(TENANT, UUID(int=n)), is_required=required, units=units) for n, (required, units) in enumerate(each)
    ]


def passes(limit, messages, spent=None):
    """Return which messages pass, by their place."""
    refused = admit(messages, limit, spent or Spent()).refused
    return [n for n, each in enumerate(messages) if each.ref not in refused]


def test_without_a_limit_all_pass():
    assert passes(Ceiling(), asked((False, 10), (True, 10))) == [0, 1]


def test_what_is_required_goes_first_and_to_the_limit():
    assert passes(Ceiling(per_day=10), asked((False, 8), (True, 10))) == [1]


def test_what_is_optional_leaves_a_fifth():
    assert passes(Ceiling(per_day=10), asked((False, 8), (False, 1))) == [0]


def test_a_small_message_passes_where_a_large_one_did_not():
    assert passes(Ceiling(per_day=10), asked((True, 9), (True, 2), (True, 1))) == [0, 2]


def test_the_month_counts_what_other_days_sent():
    assert passes(Ceiling(per_month=10), asked((True, 1)), Spent(today=0, this_month=10)) == []


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=30),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 20),
)
def test_no_limit_is_ever_passed_and_the_sum_is_of_what_went(messages, day, month, before):
    wanted = asked(*messages)
    limit, spent = Ceiling(per_day=day, per_month=month), Spent(today=before, this_month=before)
    found = admit(wanted, limit, spent)
    went = [each for each in wanted if each.ref not in found.refused]
    assert found.spent.today == before + sum(each.units for each in went)
    assert not went or found.spent.today <= min(day, month)
    optional = [each for each in went if not each.is_required]
    assert not optional or found.spent.today <= min(day, month) * 80 // 100
    for each in wanted:
        if each.ref in found.refused and each.is_required:
            assert found.spent.today + each.units > min(day, month), "it was refused for no reason"


@pytest.mark.parametrize(
    ("price", "currency", "cost", "segments", "most"),
    [
        ("0.0075", "USD", 100, None, 133),  # a dollar buys 133.3
        ("0.0075", "USD", 100, 50, 50),
        ("0.0075", "USD", None, 50, 50),
        ("8", "JPY", 100, None, 12),
        ("0.001", "KWD", 5, None, 5),
    ],
)
def test_the_lower_of_segments_and_cost_counts(price, currency, cost, segments, most):
    limits = Limits(
        tenant_id=TENANT,
        segments=Ceiling(per_day=segments),
        cost=Ceiling(per_day=cost),
        segment_price=Decimal(price),
        currency=currency,
    )
    assert ceiling(limits, Channel.SMS).per_day == most
    assert ceiling(limits, Channel.EMAIL) == Ceiling()
    if cost is not None and segments is None:
        assert estimated_cost(limits, most) <= cost < estimated_cost(limits, most + 1) + 1


@pytest.mark.parametrize(
    "over",
    [
        {"segment_price": Decimal(1)},
        {"currency": "EUR"},
        {"segment_price": Decimal(0), "currency": "EUR"},
        {"cost": Ceiling(per_day=1)},
    ],
)
def test_limits_that_cannot_be_are_refused(over):
    with pytest.raises(BadLimits):
        checked(Limits(tenant_id=TENANT, **over))
