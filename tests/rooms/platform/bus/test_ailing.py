"""A server that is there and ails: its disk is full, somebody cancels a statement. It is no message's fault, and passes."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from guilder.kernel.event import Message
from guilder.platform.bus.sequencer import Sequencer
from tests.contracts.log_toys import Counted, World
from tests.rooms.platform.ground import some_ids
from tests.support.processes import until

CANCEL = """
select count(pg_cancel_backend(pid)) from pg_stat_activity
 where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()"""


def no_room(message: Message[Counted]) -> None:
    raise asyncpg.DiskFullError("could not extend file: No space left on device")


async def test_what_is_not_written_for_want_of_room_is_parked_by_nobody_and_handled_once_there_is_some(
    world: World,
) -> None:
    await world.count_each(some_ids(2))
    consumer = world.consumer()
    await world.sequence()
    world.fault = no_room
    for _ in range(9):
        with pytest.raises(asyncpg.DiskFullError):
            await consumer.drain(hurry=True)
    assert await world.admin.fetchval("select count(*) from platform.log_parked") == 0
    world.fault = None
    await consumer.drain()
    assert await world.heard() == await world.counts()


async def test_a_sequencer_whose_statement_is_cancelled_goes_on(world: World) -> None:
    stop = asyncio.Event()
    async with world.admin.transaction():
        await world.admin.execute("lock table platform.log in access exclusive mode")
        running = asyncio.create_task(Sequencer(world.database).run(stop))

        async def cancelled() -> int:
            return int(await world.admin.fetchval(CANCEL))

        await until(cancelled, what="a statement to cancel")
    await world.count_each(some_ids(1))

    async def sequenced() -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), 0.05)
        return not await world.admin.fetchval("select count(*) from platform.log where position is null")

    await until(sequenced, timeout_s=20, what="a position for what was written meanwhile")
    stop.set()
    await running
