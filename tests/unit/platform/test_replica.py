"""How far a replica must have come to answer: the table of docs/design/databases.md."""

from typing import Any, cast

import pytest

from guilder.platform.db.replica import TENANTS_MAX, LeftOut, Replica, Why, position_of, text_of
from tests.rooms.platform.ground import a_tenant

BOUND_S = 10.0
MINE, THEIRS = a_tenant(), a_tenant()


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Primary:
    def __init__(self, at: str) -> None:
        self.at = position_of(at)

    async def position(self) -> int:
        return self.at


async def seen(replayed: str | None) -> tuple[Replica, Seconds, Primary]:
    """A process that saw the primary at 0/5000, 0/7000 and 0/9000, 5 s apart, and its replica at `replayed`."""
    seconds, primary = Seconds(), Primary("0/5000")

    class Seen(Replica):
        async def _ask(self) -> int | None:
            if replayed is None:
                raise ConnectionRefusedError
            return position_of(replayed)

    replica = Seen(cast("Any", None), cast("Any", primary), monotonic=seconds, lag_max_s=BOUND_S)
    for second, position in ((0.0, "0/5000"), (5.0, "0/7000"), (10.0, "0/9000")):
        seconds.now, primary.at = second, position_of(position)
        await replica.look()
    return replica, seconds, primary


@pytest.mark.parametrize(
    ("replayed", "written", "asked", "answers"),
    [
        ("0/9000", None, "0/0", "0/5000"),
        ("0/6000", None, "0/0", "0/5000"),
        ("0/4000", None, "0/0", Why.BEHIND),
        ("0/6000", "0/8000", "0/0", Why.WRITTEN),
        ("0/6000", None, "0/7000", Why.WRITTEN),
        ("0/9000", "0/8000", "0/7000", "0/8000"),
        (None, None, "0/0", Why.UNREACHABLE),
    ],
)
async def test_answers_when_it_has_come_so_far(
    replayed: str | None, written: str | None, asked: str, answers: str | Why
) -> None:
    replica, _, _ = await seen(replayed)
    if written:
        replica.wrote(MINE, position_of(written))
    if isinstance(answers, Why):
        with pytest.raises(LeftOut) as left:
            replica.needed(MINE, asked=position_of(asked))
        assert left.value.why is answers
    else:
        assert replica.needed(MINE, asked=position_of(asked)) == position_of(answers)


async def test_anothers_write_is_not_waited_for() -> None:
    replica, _, _ = await seen("0/6000")
    replica.wrote(THEIRS, position_of("0/8000"))
    assert replica.needed(MINE) == position_of("0/5000")


async def test_a_write_of_unknown_position_is_read_from_the_primary_until_the_bound_is_over() -> None:
    replica, seconds, primary = await seen("0/9000")
    replica.wrote(MINE, None)
    with pytest.raises(LeftOut):
        replica.needed(MINE)
    seconds.now, primary.at = 21.9, position_of("0/9000")
    await replica.look()
    with pytest.raises(LeftOut):
        replica.needed(MINE)
    seconds.now = 22.1
    await replica.look()
    assert replica.needed(MINE) == position_of("0/9000")


async def test_of_more_tenants_than_are_remembered_the_newest_counts_for_all() -> None:
    replica, _, _ = await seen("0/6000")
    replica.wrote(MINE, position_of("0/8000"))
    for _ in range(TENANTS_MAX):
        replica.wrote(a_tenant(), position_of("0/5500"))
    with pytest.raises(LeftOut):
        replica.needed(MINE)


async def test_whoever_has_not_asked_the_primary_for_so_long_knows_nothing() -> None:
    replica, seconds, _ = await seen("0/9000")
    seconds.now = 20.1
    with pytest.raises(LeftOut) as left:
        replica.needed(MINE)
    assert left.value.why is Why.UNREACHABLE


async def test_says_what_is_wrong_with_it() -> None:
    said = [(await seen(replayed))[0].trouble() for replayed in ("0/9000", "0/6000", "0/4000", None)]
    assert said == [None, None, "is 10 s behind", "cannot be reached"]


async def test_tells_how_long_it_is_behind() -> None:
    assert [(await seen(replayed))[0].lag_s for replayed in ("0/9000", "0/7000", "0/6000", "0/4000")] == [0, 5, 10, 10]


@pytest.mark.parametrize(
    ("text", "position"), [("0/0", 0), ("16/B374D848", 0x16B374D848), ("FFFFFFFF/1", 0xFFFFFFFF00000001)]
)
def test_writes_positions_as_postgresql_does(text: str, position: int) -> None:
    assert position_of(text) == position
    assert text_of(position) == text
