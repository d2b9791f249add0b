"""Packs: which partitions of a group are taken together."""

from guilder.platform.bus.packs import Packs
from guilder.platform.bus.store import Share


def shares(group: str, count: int) -> list[Share]:
    return [Share(group, partition) for partition in range(count)]


def sizes(packs: Packs, count: int = 16) -> list[int]:
    return [len(partitions) for _, partitions in packs.of(shares("one", count), alone=())]


def test_a_groups_partitions_go_together_and_no_other_groups():
    found = Packs().of([Share("one", 3), Share("other", 3), Share("one", 1)], alone=())
    assert found == [("one", [3, 1]), ("other", [3])]


def test_a_partition_that_is_looked_through_goes_alone():
    found = Packs().of(shares("one", 4), alone={Share("one", 2)})
    assert found == [("one", [0, 1, 3]), ("one", [2])]


def test_fewer_go_together_where_batches_are_full_and_more_where_there_is_room():
    packs = Packs(16)
    assert sizes(packs) == [16]
    packs.passed("one", 500, rows_max=500)
    assert sizes(packs) == [8, 8]
    packs.passed("one", 300, rows_max=500)
    assert sizes(packs) == [8, 8], "as much again would not fit"
    packs.passed("one", 250, rows_max=500)
    assert sizes(packs) == [16]
    packs.passed("one", 0, rows_max=500)
    assert sizes(packs) == [16]


def test_what_fills_batches_goes_alone_in_the_end_and_another_group_is_not_concerned():
    packs = Packs(16)
    for _ in range(9):
        packs.passed("one", 500, rows_max=500)
    assert sizes(packs, 3) == [1, 1, 1]
    assert packs.of(shares("other", 3), alone=()) == [("other", [0, 1, 2])]


def test_after_a_failure_half_go_together():
    packs = Packs(16)
    packs.failed("one", 6)
    assert sizes(packs, 6) == [3, 3]
    packs.failed("one", 1)
    assert sizes(packs, 2) == [1, 1]
