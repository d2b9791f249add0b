"""What is due is dealt so that …"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.jobs.sharing import fair
from guilder.platform.jobs.timetable import Due

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_TENANTS = [TenantId(UUID(int=n)) for n in range(1, 5)]


def due(tenant: int, n: int, minutes: int) -> Due:
    return Due("toy.bill", Ref(_TENANTS[tenant], UUID(int=1_000 * tenant + n)), NOW + timedelta(minutes=minutes))


some = st.lists(
    st.builds(due, tenant=st.integers(0, 3), n=st.integers(0, 30), minutes=st.integers(0, 90)),
    max_size=80,
    unique_by=lambda each: each.ref,
)


@given(some, st.integers(0, 100))
def test_no_more_is_taken_than_asked_for_and_no_less_than_there_is(found: list[Due], limit: int):
    assert len(fair(found, limit)) == min(limit, len(found))


@given(some, st.integers(1, 100))
def test_nobody_gets_more_than_one_row_beyond_whoever_still_has_some_left(found: list[Due], limit: int):
    had = Counter(each.ref.tenant_id for each in found)
    got = Counter(each.ref.tenant_id for each in fair(found, limit))
    waiting = [tenant for tenant in had if got[tenant] < had[tenant]]
    assert all(got[tenant] >= max(got.values(), default=0) - 1 for tenant in waiting)


@given(some, st.integers(0, 100))
def test_what_fell_due_first_of_a_tenant_goes_first_and_all_is_in_order_of_time(found: list[Due], limit: int):
    taken = fair(found, limit)
    assert [each.due_at for each in taken] == sorted(each.due_at for each in taken)
    left = set(found) - set(taken)
    for tenant in {each.ref.tenant_id for each in taken}:
        last = max(each.due_at for each in taken if each.ref.tenant_id == tenant)
        assert all(each.due_at >= last for each in left if each.ref.tenant_id == tenant)


def test_a_row_found_twice_is_taken_once():
    assert fair([due(0, 1, 5), due(1, 1, 3), due(0, 1, 5)], 10) == [due(1, 1, 3), due(0, 1, 5)]
