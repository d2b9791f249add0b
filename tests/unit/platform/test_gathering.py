import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from guilder.kernel.errors import Unavailable
from guilder.platform.db.database import DatabaseGone
from guilder.platform.db.gathering import TURNS, Gathering, Size, TooManyWaiting

ASKED: ContextVar[str] = ContextVar("asked", default="nobody")
SIZE = Size(group=4, at_once=1, waiting=8)


class Desk:
    """Writes groups when it is let, and remembers them."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.open = asyncio.Event()
        self.bad: dict[str, Exception] = {}

    async def write(self, items: Sequence[str]) -> list[str]:
        self.groups.append(list(items))
        await self.open.wait()
        for each in items:
            if each in self.bad:
                raise self.bad[each]
        return [f"{each} written" for each in items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def given(gathering: Gathering[str, str], items: str, key: object = None) -> list[asyncio.Task[str]]:
    """Give single letters, in order; an upper-case one is of another key."""
    tasks = [asyncio.create_task(gathering.give(each, key=each.isupper() if key is None else key)) for each in items]
    await turns(3 * TURNS)
    return tasks


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_single_one_waits_for_nobody(desk):
    desk.open.set()
    assert await Gathering(desk.write, SIZE).give("a") == "a written"
    assert desk.groups == [["a"]]


async def test_what_waits_while_a_group_is_written_is_written_together(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bcd")
    assert desk.groups == [["a"]]
    desk.open.set()
    assert await asyncio.gather(*first, *rest) == ["a written", "b written", "c written", "d written"]
    assert desk.groups == [["a"], ["b", "c", "d"]]


async def test_who_is_at_the_door_already_comes_along(desk):
    desk.open.set()
    gathering = Gathering(desk.write, SIZE)

    async def read_later(item: str, turn: int) -> str:
        await turns(turn)
        return await gathering.give(item, key=False)

    await asyncio.gather(read_later("a", 0), read_later("b", TURNS - 1), read_later("c", 2 * TURNS - 1))
    assert desk.groups == [["a", "b", "c"]]


async def test_nobody_waits_for_who_is_not(desk):
    gathering = Gathering(desk.write, SIZE)
    first = asyncio.create_task(gathering.give("a"))
    await turns(2 * TURNS)
    assert desk.groups == [["a"]]
    desk.open.set()
    await first


async def test_nor_lets_in_more_than_a_group_holds(desk):
    gathering = Gathering(desk.write, SIZE)
    tasks = [asyncio.create_task(gathering.give(each)) for each in "abcd"]
    await turns(2)
    assert desk.groups == [["a", "b", "c", "d"]]
    desk.open.set()
    await asyncio.gather(*tasks)


async def test_nobody_is_answered_before_its_group_is_written(desk):
    gathering = Gathering(desk.write, SIZE)
    tasks = await given(gathering, "ab")
    assert not any(each.done() for each in tasks)
    desk.open.set()
    await asyncio.gather(*tasks)


async def test_a_group_holds_no_more_than_it_may_and_keeps_the_order(desk):
    gathering = Gathering(desk.write, SIZE)
    desk_is_busy = await given(gathering, "a")
    rest = await given(gathering, "bcdefg")
    desk.open.set()
    await asyncio.gather(*desk_is_busy, *rest)
    assert desk.groups == [["a"], ["b", "c", "d", "e"], ["f", "g"]]


async def test_what_is_of_another_key_is_in_another_group(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bCdE")
    desk.open.set()
    await asyncio.gather(*first, *rest)
    assert desk.groups == [["a"], ["b", "d"], ["C", "E"]]


async def test_what_weighs_more_is_fewer_to_a_group_and_the_heaviest_goes_alone(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    heavy = {"b": 3, "c": 2, "d": 1}
    rest = [asyncio.create_task(gathering.give(each, key=False, weight=weight)) for each, weight in heavy.items()]
    await asyncio.sleep(0)
    desk.open.set()
    await asyncio.gather(*first, *rest)
    assert desk.groups == [["a"], ["b"], ["c", "d"]]
    assert await gathering.give("e", weight=100) == "e written"


TWO = Size(group=4, at_once=2, waiting=8)


async def test_two_groups_of_other_keys_are_written_at_once_where_two_may_be(desk):
    gathering = Gathering(desk.write, TWO)
    tasks = await given(gathering, "abC")
    assert desk.groups == [["a", "b"], ["C"]]
    tasks += await given(gathering, "d")
    tasks += await given(gathering, "e", key="another")
    assert desk.groups == [["a", "b"], ["C"]]
    desk.open.set()
    await asyncio.gather(*tasks)
    assert desk.groups == [["a", "b"], ["C"], ["d"], ["e"]]


async def test_of_one_key_one_group_is_written_at_a_time(desk):
    gathering = Gathering(desk.write, TWO)
    tasks = await given(gathering, "a")
    tasks += await given(gathering, "bcd")
    assert desk.groups == [["a"]]
    desk.open.set()
    await asyncio.gather(*tasks)
    assert desk.groups == [["a"], ["b", "c", "d"]]


async def test_what_waited_for_its_key_is_begun_beside_what_came_before_it():
    doors = {key: asyncio.Event() for key in "aBc"}
    groups: list[Sequence[str]] = []

    async def write(items: Sequence[str]) -> Sequence[str]:
        groups.append(items)
        await doors[items[0]].wait()
        return items

    gathering = Gathering(write, TWO)
    tasks = await given(gathering, "a", key="a")
    tasks += await given(gathering, "B", key="B")
    tasks += [asyncio.create_task(gathering.give("c", key="a"))]
    await asyncio.sleep(0)
    assert groups == [["a"], ["B"]]
    doors["a"].set()
    async with asyncio.timeout(30):
        while len(groups) < 3:
            await asyncio.sleep(0)
    assert groups == [["a"], ["B"], ["c"]]
    for each in doors.values():
        each.set()
    await asyncio.gather(*tasks)


async def test_one_that_cannot_be_written_fails_alone(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bcd")
    desk.bad["c"] = ValueError("c")
    desk.open.set()
    outcomes = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert [outcomes[0], outcomes[1], repr(outcomes[2]), outcomes[3]] == [
        "a written",
        "b written",
        "ValueError('c')",
        "d written",
    ]
    assert desk.groups == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


async def test_a_database_that_is_gone_is_told_to_all_and_not_tried_for_each(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bcd")
    desk.bad["c"] = DatabaseGone("gone")
    desk.open.set()
    outcomes = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert [type(each) for each in outcomes[1:]] == [DatabaseGone] * 3
    assert desk.groups == [["a"], ["b", "c", "d"]]
    desk.bad.clear()
    assert await gathering.give("e") == "e written"


async def test_who_is_cancelled_while_it_waits_is_not_written(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bcd")
    rest[1].cancel()
    await asyncio.sleep(0)
    desk.open.set()
    await asyncio.gather(*first, *rest, return_exceptions=True)
    assert desk.groups == [["a"], ["b", "d"]]
    assert gathering._weight == 0


async def test_who_is_cancelled_while_it_is_written_harms_no_other(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "b")
    first[0].cancel()
    desk.open.set()
    assert await rest[0] == "b written"
    assert first[0].cancelled()


async def test_a_full_queue_says_so_and_when_to_come_back(desk):
    gathering = Gathering(desk.write, SIZE)
    first = await given(gathering, "a")
    rest = await given(gathering, "bcdefghi")
    with pytest.raises(TooManyWaiting) as refused:
        await gathering.give("j")
    assert isinstance(refused.value, Unavailable)
    assert refused.value.retry_after_s == 1
    desk.open.set()
    await asyncio.gather(*first, *rest)
    assert await gathering.give("j") == "j written"


async def test_settling_waits_until_everything_is_written(desk):
    gathering = Gathering(desk.write, SIZE)
    tasks = await given(gathering, "abcdefg")
    settling = asyncio.create_task(gathering.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    desk.open.set()
    await settling
    assert all(each.done() for each in tasks) or await asyncio.gather(*tasks)
    assert sum(len(each) for each in desk.groups) == 7


async def test_a_group_knows_nothing_of_whoever_came_first(desk):
    seen: list[str] = []

    async def write(items: Sequence[str]) -> Sequence[str]:
        seen.append(ASKED.get())
        return items

    ASKED.set("somebody")
    await Gathering(write, SIZE).give("a")
    assert seen == ["nobody"]


async def test_who_comes_as_the_last_group_ends_is_written_too(desk):
    desk.open.set()
    gathering = Gathering(desk.write, SIZE)
    async with asyncio.timeout(30):
        # Awaited by nothing between: the next is given in the very step after the answer.
        for each in "abcdef":
            assert await gathering.give(each) == f"{each} written"
