"""Rounds go on, whatever is away meanwhile, until they are told to stop."""

import asyncio
from collections.abc import Callable

import pytest

from guilder.platform.bus import rounds
from guilder.platform.bus.rounds import Listen, Rounds

QUICK = Rounds("toy", poll_s=0.001, backoff_s=0.001, backoff_max_s=0.004, waits_for=(ConnectionError,))


async def until_stopped(wake: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()


async def run(work: Callable[[asyncio.Event], int], *, listen: Listen = until_stopped, by: Rounds = QUICK) -> None:
    stop = asyncio.Event()

    async def once() -> int:
        return work(stop)

    async with asyncio.timeout(30):
        await by.run(once, listen, stop)


async def test_what_passes_is_waited_for_and_then_it_goes_on() -> None:
    done = 0

    def work(stop: asyncio.Event) -> int:
        nonlocal done
        done += 1
        if done < 5:
            raise ConnectionError
        stop.set()
        return 0

    await run(work)
    assert done == 5


async def test_what_does_not_pass_ends_it() -> None:
    def work(stop: asyncio.Event) -> int:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await run(work)


async def test_who_is_woken_does_not_wait_for_the_time_to_look() -> None:
    looked = 0

    async def wakes(wake: asyncio.Event, stop: asyncio.Event) -> None:
        while looked < 2:
            wake.set()
            await asyncio.sleep(0)
        await stop.wait()

    def work(stop: asyncio.Event) -> int:
        nonlocal looked
        looked += 1
        if looked == 2:
            stop.set()
        return 0

    await run(work, listen=wakes, by=Rounds("toy", poll_s=3_600, backoff_s=1, backoff_max_s=1))


@pytest.mark.parametrize("fails", [True, False])
async def test_who_hears_nothing_any_more_listens_again(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LISTEN_AGAIN_S", 0.001)
    listened = 0

    async def ends(wake: asyncio.Event, stop: asyncio.Event) -> None:
        nonlocal listened
        listened += 1
        if fails:
            raise RuntimeError("whatever the client may raise")

    def work(stop: asyncio.Event) -> int:
        if listened >= 3:
            stop.set()
        return 0

    await run(work, listen=ends)
    assert listened >= 3
