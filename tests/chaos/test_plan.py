"""The schedule: drawn from its seed alone, kept as it is, and in every storm what every storm must have."""

from itertools import pairwise

import pytest

from tests.chaos.plan import CALM_S, DATABASE, FREEZE, KILL, PROVIDER, WEBHOOKS, Schedule, drawn, role_of

EMBEDDED = ["provider", "api", "worker1", "scheduler1", "scheduler2", DATABASE]
SPREAD = [
    *("api1", "api2", "worker1", "worker2", "worker3", "scheduler1", "scheduler2", "relay1", "relay2"),
    *(DATABASE, "replica", "redis", "kafka", "nginx", "provider"),
]
FORMS = pytest.mark.parametrize("parts", [EMBEDDED, SPREAD], ids=["embedded", "spread"])


def a_schedule(*, seed=7, parts=SPREAD, seconds=180.0):
    return drawn(seed=seed, form="spread", parts=parts, accounts=3, seconds=seconds, clients=15)


def test_a_seed_is_one_schedule_and_another_seed_another():
    assert a_schedule() == a_schedule()
    assert a_schedule() != a_schedule(seed=8)


def test_is_read_as_it_was_written(tmp_path):
    schedule = a_schedule()
    schedule.write(tmp_path / "schedule.json")
    assert Schedule.read(tmp_path / "schedule.json") == schedule


@FORMS
@pytest.mark.parametrize("seed", range(20))
def test_a_short_storm_has_what_every_storm_must_have(parts, seed):
    faults = a_schedule(seed=seed, parts=parts, seconds=60.0).faults
    killed = {role_of(fault.part) for fault in faults if fault.kind == KILL}
    assert killed >= {"api", "worker", "scheduler", DATABASE}
    assert any(fault.kind == FREEZE for fault in faults)
    assert any(fault.kind == PROVIDER and fault.detail["mode"] == "drop_after" for fault in faults)
    assert any(fault.kind == WEBHOOKS for fault in faults)


@FORMS
@pytest.mark.parametrize("seconds", [45.0, 180.0, 3600.0])
def test_every_fault_begins_and_ends_within_the_storm_and_none_meets_a_part_that_is_down(parts, seconds):
    faults = a_schedule(parts=parts, seconds=seconds).faults
    assert all(CALM_S <= fault.at <= fault.until <= seconds - CALM_S for fault in faults)
    for part in {fault.part for fault in faults}:
        mine = [fault for fault in faults if fault.part == part]
        assert all(before.until < after.at for before, after in pairwise(mine)), part


def test_every_part_is_struck_in_three_minutes():
    assert {fault.part for fault in a_schedule(seconds=300.0).faults} >= set(SPREAD)
