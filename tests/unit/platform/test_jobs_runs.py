"""Of a run it is said …"""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.jobs.runs import Run, dealt, over_all

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ONE, OTHER = (TenantId(UUID(int=n)) for n in (1, 2))


def run(tenant: TenantId = ONE, **over) -> Run:
    said = {"began_at": NOW, "last_at": NOW, "done": 10, "rate_per_s": 2.0, "left": 5, "is_least": False, "failing": 0}
    return Run(tenant_id=tenant, job="toy.bill", **{**said, **over})


def test_how_much_longer_it_takes_at_the_pace_that_it_has():
    assert run().seconds_left == 3
    assert run(left=0, rate_per_s=0.0).seconds_left == 0


def test_that_nobody_knows_how_long_where_nothing_moves_or_nobody_counted():
    assert run(rate_per_s=0.0).seconds_left is None
    assert run(left=None).seconds_left is None


def test_what_all_tenants_together_have_done_and_have_left_job_by_job():
    found = [run(), run(OTHER, done=7, left=None, failing=2), run(OTHER, left=1, is_least=True)]
    (all_of_it,) = over_all(found)
    assert (all_of_it.done, all_of_it.left, all_of_it.failing, all_of_it.is_least) == (27, 6, 2, True)
    assert all_of_it.rate_per_s == 6.0
    assert all_of_it.tenant_id is None
    assert over_all([]) == []
    assert over_all([run(left=None)])[0].left is None


refs = st.lists(st.sampled_from([ONE, OTHER, TenantId(UUID(int=3))]).map(lambda t: Ref(t, UUID(int=9))), min_size=1)


@given(refs, st.integers(0, 2_000))
def test_whose_what_was_done_is_and_it_adds_up(made: list[Ref], done: int):
    shares = dealt(done, made)
    assert sum(shares.values()) == done
    assert set(shares) <= {ref.tenant_id for ref in made}
    assert all(shares.values())
    if done == len(made):
        assert shares == Counter(ref.tenant_id for ref in made)
