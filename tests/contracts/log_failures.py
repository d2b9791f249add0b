"""The part of the log's contract that is about messages that fail."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg

from guilder.kernel.event import Message
from guilder.platform.bus import dead_letters, groups
from guilder.platform.bus.reactions import AfterDeath
from guilder.platform.bus.sequencer import Sequencer
from tests.contracts.log_toys import WAIT, World, fails_for
from tests.rooms.platform.ground import NOW, some_ids


class Failures:
    """Inherited by LogContract."""

    async def test_sets_a_message_that_fails_aside_and_goes_on_with_other_keys(self, world: World) -> None:
        things = some_ids(60)
        await world.count_each(things)
        world.fault = fails_for(things[30])
        await world.consumer().drain()
        heard = await world.heard()
        assert heard == {thing: [1] for thing in things if thing != things[30]}
        (parked,) = await world.parked()
        assert (parked["key"], parked["tries"], parked["died_at"]) == (things[30], 1, None)
        assert parked["due_at"] == NOW + WAIT
        assert parked["reason"] == "ValueError: cannot hear 1"
        assert "cannot hear 1" in parked["traceback"]

    async def test_looks_for_what_is_at_fault_only_in_its_own_partition(self, world: World) -> None:
        consumer, things = world.consumer(), some_ids(60)
        await world.count_each(things)
        await consumer.drain()
        await world.count_each(things)
        world.fault = fails_for(things[30])
        world.calls.clear()
        await consumer.drain()
        assert await world.heard() == {thing: [1] if thing == things[30] else [1, 2] for thing in things}
        assert [row["key"] for row in await world.parked()] == [things[30]]
        # Once for all together, once for each partition, and a few times to find it in its own.
        assert len(world.calls) <= 1 + 16 + 12

    async def test_finds_the_one_at_fault_in_few_transactions(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing, 256)
        world.fault = fails_for(thing, only=200)
        await world.consumer(batch_max=256).drain()
        assert len(world.calls) <= 20

    async def test_keeps_later_messages_of_a_failed_key_in_order_behind_it(self, world: World) -> None:
        bad, good = some_ids(2)
        consumer = world.consumer()
        world.fault = fails_for(bad, only=1)
        await world.count(bad, 3)
        await consumer.drain()
        await world.count(bad, 2)
        await world.count(good)
        await consumer.drain()
        assert await world.heard() == {good: [1]}
        world.fault = None
        await consumer.drain()
        assert await world.heard() == {good: [1]}, "not before its time"
        world.clock.move_by(WAIT)
        await consumer.drain()
        assert await world.heard() == {good: [1], bad: [1, 2, 3, 4, 5]}
        assert await world.parked() == []

    async def test_gives_a_message_up_after_its_tries_and_goes_on_with_its_key(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing, 3)
        world.fault = fails_for(thing, only=1)
        consumer = world.consumer()
        for _ in range(3):
            await consumer.drain()
            world.clock.move_by(WAIT)
        await consumer.drain()
        assert await world.heard() == {thing: [2, 3]}
        (dead,) = await world.parked()
        assert (dead["tries"], dead["died_at"], dead["blocks"]) == (3, NOW + 2 * WAIT, False)

    async def test_a_key_stays_parked_after_a_death_where_its_handler_declares_it(self, world: World) -> None:
        bad, good = some_ids(2)
        await world.count(bad, 3)
        world.fault = fails_for(bad, only=1)
        consumer = world.consumer(world.hearing("listeners", after_death=AfterDeath.STAY_PARKED))
        await consumer.drain(hurry=True)
        await world.count(bad)
        await world.count(good)
        await consumer.drain(hurry=True)
        assert await world.heard() == {good: [1]}
        async with world.database.transaction({world.tenant}, actor="test") as tx:
            assert await groups.pending(tx, tenant_id=world.tenant) == 0, "what waits behind the dead is at rest"
            assert await dead_letters.replay(tx, now=NOW) == 1
        world.fault = None
        await consumer.drain()
        assert await world.heard() == {good: [1], bad: [1, 2, 3, 4]}

    async def test_replays_a_dead_letter_exactly_once(self, world: World) -> None:
        things = some_ids(3)
        await world.count_each(things)
        world.fault = fails_for(*things[:2])
        consumer = world.consumer()
        await consumer.drain(hurry=True)
        world.fault = None
        async with world.database.transaction({world.tenant}, actor="test") as tx:
            letters = await dead_letters.listing(tx)
            assert {letter.key for letter in letters} == set(things[:2])
            assert await dead_letters.counts(tx) == {"listeners": 2}
            assert await dead_letters.replay(tx, group="strangers", now=NOW) == 0
            assert await dead_letters.replay(tx, ids=[letters[0].id], now=NOW) == 1
            assert await dead_letters.replay(tx, ids=[letters[0].id], now=NOW) == 0
        await asyncio.gather(consumer.drain(), world.consumer().drain())
        assert await world.heard() == {things[2]: [1], letters[0].key: [1]}
        async with world.database.transaction({world.tenant}, actor="test") as tx:
            assert await dead_letters.replay(tx, group="listeners", now=NOW) == 1
        await consumer.drain()
        assert await world.heard() == await world.counts()

    async def test_sets_aside_what_cannot_be_read(self, world: World) -> None:
        bad, good = some_ids(2)
        await world.count(bad)
        await world.admin.execute("""update platform.log set payload = '{"n": "many"}'""")
        await world.count(good)
        await world.consumer().drain()
        assert await world.heard() == {good: [1]}
        assert [row["reason"].partition(":")[0] for row in await world.parked()] == ["ValidationError"]

    async def test_a_handler_that_times_out_is_at_fault_itself(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)

        def fault(_: object) -> None:
            raise TimeoutError("too slow")

        world.fault = fault
        await world.consumer().drain()
        assert [row["reason"] for row in await world.parked()] == ["HandlerFailed: TimeoutError: too slow"]

    async def test_a_clash_is_tried_again_and_never_held_against_the_message(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)
        clashes = [asyncpg.DeadlockDetectedError(), asyncpg.SerializationError(), asyncpg.LockNotAvailableError()]

        def fault(_: object) -> None:
            if clashes:
                raise clashes.pop()

        world.fault = fault
        await world.consumer().drain()
        assert (await world.heard(), await world.parked()) == ({thing: [1]}, [])

    async def test_a_message_that_always_clashes_is_set_aside_like_any_other(self, world: World) -> None:
        bad, good = some_ids(2)
        await world.count(bad)
        await world.count(good)

        def fault(message: Message[Any]) -> None:
            if message.event.thing_id == bad:
                raise asyncpg.DeadlockDetectedError("again")

        world.fault = fault
        await world.consumer().drain()
        assert await world.heard() == {good: [1]}
        assert [row["key"] for row in await world.parked()] == [bad]

    async def test_a_commit_that_is_refused_is_its_messages_fault(self, world: World) -> None:
        bad, good = some_ids(2)
        await world.count(bad)
        await world.count(good)
        await world.admin.execute(
            f"""create function toy.refuse() returns trigger language plpgsql as
                $$ begin if new.thing_id = '{bad}' then raise exception 'refused at the commit'; end if; return new; end $$;
                create constraint trigger refuse after insert on toy.heard deferrable initially deferred
                    for each row execute function toy.refuse()"""
        )
        try:
            await world.consumer().drain()
        finally:
            await world.admin.execute("drop trigger refuse on toy.heard; drop function toy.refuse()")
        assert await world.heard() == {good: [1]}
        assert [row["reason"] for row in await world.parked()] == ["RaiseError: refused at the commit"]

    async def test_loses_nothing_when_the_database_drops_every_connection(self, world: World) -> None:
        stop = asyncio.Event()
        workers = [
            asyncio.create_task(each.run(stop))
            for each in (Sequencer(world.database, transport=world.transport), world.consumer(batch_max=5))
        ]
        try:
            for _ in range(5):
                writing = asyncio.create_task(world.write_for_a_while(writers=2, each=10))
                await asyncio.sleep(0.05)
                await world.admin.execute(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                        where datname = current_database() and usename = 'guilder_login'"""
                )
                with suppress(asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError, OSError):
                    await writing
            async with asyncio.timeout(90):
                while await world.heard() != await world.counts():
                    await asyncio.sleep(0.05)
        finally:
            stop.set()
            await asyncio.gather(*workers)
        assert await world.parked() == [], "a lost connection is held against no message"
