"""What every transport of the log promises. Another one passes by a class like TestPostgres at the end."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from guilder.kernel.event import Event, Message
from guilder.platform.bus import groups, outbox, store, together
from guilder.platform.bus.batches import Batches, LostCursor
from guilder.platform.bus.codec import UnknownEvent
from guilder.platform.bus.handling import Handling
from guilder.platform.bus.reactions import Reaction, Reactions, Start
from guilder.platform.bus.retry import RetryPolicy
from guilder.platform.bus.transport import PostgresTransport, Transport
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.contracts.log_failures import Failures
from tests.contracts.log_process import nursery
from tests.contracts.log_together import Together
from tests.contracts.log_toys import EMPTY, SCHEMA, Asked, Counted, Recounted, World, fails_for
from tests.rooms.platform.ground import NOW, a_tenant, database_of, platform_database, some_ids
from tests.support.database import DatabaseUrls, connected


@pytest.fixture(scope="session")
async def log_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_log_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def database(log_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with connected(log_urls.admin) as admin:
        await admin.execute(EMPTY)
    async with database_of(log_urls) as database:
        yield database


class LogContract(Failures, Together):
    """Subclass it and say how a transport is made."""

    def transport(self, database: Database) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    async def world(self, database: Database, log_urls: DatabaseUrls) -> AsyncIterator[World]:
        async with connected(log_urls.admin) as admin, self.opened(database, admin) as world:
            yield world

    @asynccontextmanager
    async def opened(self, database: Database, admin: Any) -> AsyncIterator[World]:
        yield World(database, admin, self.transport(database))

    # Complete, and in order.

    async def test_is_complete_and_in_order_under_writers_that_commit_late(self, world: World) -> None:
        stop = asyncio.Event()
        consumers = [world.consumer(batch_max=7) for _ in range(3)]
        sequencing = asyncio.create_task(_sequence_until(world, stop))
        working = [asyncio.create_task(each.run(stop)) for each in consumers]
        await world.write_for_a_while()
        stop.set()
        await asyncio.gather(sequencing, *working)
        await consumers[0].drain()
        counts = await world.counts()
        assert sum(map(len, counts.values())) == 480
        assert await world.heard() == counts

    async def test_positions_are_dense_and_follow_the_order_of_each_key(self, world: World) -> None:
        await asyncio.gather(world.write_for_a_while(each=10), _sequence_for(world, 20))
        await world.sequence()
        gaps = await world.admin.fetch(
            """select topic, partition from platform.log group by 1, 2
               having max(position) <> count(*) or min(position) <> 1 or count(distinct position) <> count(*)"""
        )
        disorder = await world.admin.fetch(
            """select from (select (payload->>'n')::int - lag((payload->>'n')::int) over (partition by key order by position)
                              as step from platform.log) s where step <> 1"""
        )
        assert (gaps, disorder) == ([], [])

    async def test_hears_a_commit_that_is_later_than_its_number(self, world: World) -> None:
        early, late = some_ids(2)
        consumer = world.consumer()
        held, release = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            held.set()
            await release.wait()

        slow = asyncio.create_task(world.count(late, before_commit=hold))
        await held.wait()
        await world.count(early)
        await consumer.drain()
        assert await world.heard() == {early: [1]}, "a long transaction must delay nobody else"
        release.set()
        await slow
        await consumer.drain()
        assert await world.heard() == {early: [1], late: [1]}

    async def test_says_nothing_of_what_was_rolled_back(self, world: World) -> None:
        (thing,) = some_ids(1)

        async def fail() -> None:
            raise RuntimeError("no commit")

        with pytest.raises(RuntimeError, match="no commit"):
            await world.count(thing, before_commit=fail)
        await world.consumer().drain()
        assert await world.heard() == {}

    async def test_keeps_the_order_of_events_of_one_transaction(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing, 20)
        await world.consumer(batch_max=3).drain()
        assert await world.heard() == {thing: list(range(1, 21))}

    async def test_keeps_the_order_of_a_key_over_events_of_different_names(self, world: World) -> None:
        (thing,) = some_ids(1)
        for event in (Counted, Recounted, Recounted, Counted):
            await world.count(thing, event=event)
        await world.consumer(world.hearing("listeners"), world.hearing("listeners", Recounted)).drain()
        assert await world.heard() == {thing: [1, 2, 3, 4]}
        assert world.calls == [("listeners", 1), ("listeners", 2), ("listeners", 1)]

    # Groups.

    async def test_each_group_hears_everything_for_itself(self, world: World) -> None:
        things = some_ids(30)
        for thing in things:
            await world.count(thing)
        await world.consumer(world.hearing("one"), world.hearing("two")).drain()
        assert await world.heard("one") == await world.heard("two") == await world.counts()

    async def test_passes_over_events_that_a_group_does_not_name(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)
        await world.count(thing, event=Recounted)
        await world.consumer(world.hearing("listeners", Recounted)).drain()
        assert await world.heard() == {thing: [2]}

    async def test_hears_a_topic_that_is_named_by_its_gateway(self, world: World) -> None:
        (thing,) = some_ids(1)
        async with world.database.transaction({world.tenant}, actor="test") as tx:
            asked = Asked(tenant_id=world.tenant, thing_id=thing, gateway="simulated", n=7)
            outbox.announce(tx, [asked], now=NOW)
        await world.consumer(world.hearing("listeners", Asked), world.hearing("others")).drain()
        assert (await world.heard(), await world.heard("others")) == ({thing: [7]}, {})

    async def test_a_group_added_later_hears_the_log_from_where_it_declares(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)
        await world.consumer(world.hearing("first")).drain()
        later = world.consumer(
            world.hearing("first"),
            world.hearing("from_start"),
            world.hearing("from_now"),
            starts={"from_now": Start.END},
        )
        await later.register()
        await world.count(thing)
        await later.drain()
        heard = [await world.heard(group) for group in ("first", "from_start", "from_now")]
        assert heard == [{thing: [1, 2]}, {thing: [1, 2]}, {thing: [2]}]

    async def test_a_group_that_hears_everything_gets_one_list_in_order_and_also_what_it_does_not_know(
        self, world: World
    ) -> None:
        (thing,) = some_ids(1)
        for event in (Counted, Recounted, Counted):
            await world.count(thing, event=event)
        await world.admin.execute("update platform.log set name = 'toy.of_tomorrow' where name = 'toy.recounted'")
        told: list[list[Event]] = []

        async def audit(tx: Tx, messages: Sequence[Message[Event]], *, now: datetime) -> None:
            told.append([message.event for message in messages])

        await world.consumer(Reaction("audit", Event, audit), world.hearing("listeners")).drain()
        ((first, unknown, last),) = told
        assert (type(first), type(last)) == (Counted, Counted)
        assert isinstance(unknown, UnknownEvent)
        assert (unknown.event_name, unknown.body["n"]) == ("toy.of_tomorrow", 2)
        assert await world.heard() == {thing: [1, 3]}

    # One effect.

    async def test_has_one_effect_when_consumers_are_cancelled_at_any_moment(self, world: World) -> None:
        writing = asyncio.create_task(world.write_for_a_while(writers=4, each=60))
        sequencing = asyncio.create_task(_sequence_for(world, 60))
        while not writing.done():
            running = asyncio.create_task(world.consumer(batch_max=5).run(asyncio.Event()))
            await asyncio.sleep(random.uniform(0.005, 0.05))
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        await asyncio.gather(writing, sequencing)
        await world.consumer().drain()
        assert await world.heard() == await world.counts()

    @pytest.mark.parametrize("kills", [15, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
    async def test_has_one_effect_when_processes_are_killed(
        self, world: World, log_urls: DatabaseUrls, kills: int
    ) -> None:
        over = asyncio.Event()
        writing = asyncio.create_task(_write_until(world, over))
        async with nursery(log_urls) as born:
            workers = [await born() for _ in range(4)]
            for kill in range(kills):
                await asyncio.sleep(random.uniform(0.05, 0.5))
                await _have_heard(world, 10 * kill)  # whoever is killed has been at work
                os.kill(workers.pop(random.randrange(4)), signal.SIGKILL)
                workers.append(await born())
            over.set()
            await writing
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
        await _sessions_end(world)
        await world.consumer().drain()
        assert await world.heard() == await world.counts()

    async def test_refuses_the_commit_of_a_zombie_whose_cursor_was_moved(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)
        consumer = world.consumer()
        await consumer.register()
        await world.sequence()
        async with world.database.transaction(actor="test") as tx:
            (share,) = await store.news(tx, ["listeners"], now=NOW)
            await together.open_cursors(tx, share.group, [share.partition])
            claimed = await store.claim(tx, *share, now=NOW)
        # The claim's locks are gone with its session; the zombie does not know. Another consumer does the work.
        await consumer.drain()

        async def zombie() -> None:
            async with _batches(world)._transaction(share.group) as tx:
                await tx.narrow({world.tenant})
                await tx.execute("update toy.heard set n = -1")
                await store.move(tx, *share, [(claimed[0], 1)], epoch=claimed[0].epoch)

        with pytest.raises(LostCursor):
            await zombie()
        assert await world.heard() == {thing: [1]}

    async def test_lets_one_consumer_at_a_time_have_a_partition(self, world: World) -> None:
        (thing,) = some_ids(1)
        await world.count(thing)
        consumer, other = world.consumer(), world.consumer()
        await consumer.register()
        await world.sequence()
        async with world.database.transaction(actor="test") as tx:
            (share,) = await store.news(tx, ["listeners"], now=NOW)
            await together.open_cursors(tx, share.group, [share.partition])
        async with world.database.transaction(actor="test") as tx:
            assert await store.claim(tx, *share, now=NOW)
            assert await other.step(*share) == 0
        assert await other.step(*share) == 1

    # Clocks.

    async def test_tells_each_sandbox_alone_and_by_its_own_clock(self, world: World) -> None:
        live, other, sandbox = a_tenant(), a_tenant(), a_tenant()
        world.clocks.own[sandbox] = NOW + timedelta(days=400)
        (thing,) = some_ids(1)  # one key of three tenants: one partition, one batch
        for tenant in (live, sandbox, other):
            await world.count(thing, tenant=tenant)
        await world.consumer().drain()
        rows = await world.admin.fetch("select tenant_id, told_at from toy.heard")
        assert {row["tenant_id"]: row["told_at"] for row in rows} == {
            live: NOW,
            other: NOW,
            sandbox: NOW + timedelta(days=400),
        }
        assert sorted(world.calls) == [("listeners", 1), ("listeners", 2)]

    async def test_knows_when_a_tenant_is_at_rest(self, world: World) -> None:
        (thing,) = some_ids(1)
        other = a_tenant()
        await world.count(thing, tenant=other)
        consumer = world.consumer(world.hearing("one"), world.hearing("two"))
        await consumer.register()

        async def pending() -> int:
            async with world.database.transaction({world.tenant}, actor="test") as tx:
                return await groups.pending(tx, tenant_id=world.tenant)

        seen = [await pending()]
        await world.count(thing)
        seen.append(await pending())
        await world.sequence()
        seen.append(await pending())
        world.fault = fails_for(thing)
        await consumer.drain()
        seen.append(await pending())
        await consumer.drain(hurry=True)
        seen.append(await pending())
        assert seen == [0, 1, 2, 2, 0]


def _batches(world: World) -> Batches:
    reactions = Reactions([world.hearing("listeners")])
    return Batches(world.database, world.transport, Handling(reactions, world.clocks), RetryPolicy())


async def _sequence_until(world: World, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await world.sequence()
        await asyncio.sleep(0.002)


async def _sequence_for(world: World, times: int) -> None:
    for _ in range(times):
        await world.sequence()
        await asyncio.sleep(random.uniform(0, 0.01))


async def _write_until(world: World, over: asyncio.Event) -> None:
    while not over.is_set():
        await world.write_for_a_while(writers=4, each=5)


async def _have_heard(world: World, count: int) -> None:
    async with asyncio.timeout(90):
        while sum(map(len, (await world.heard()).values())) < count:
            await asyncio.sleep(0.02)


async def _sessions_end(world: World) -> None:
    """Wait until the server has noticed the deaths: a dead worker's last commit may still be on its way."""
    async with asyncio.timeout(90):
        while (
            await world.admin.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() and usename = 'guilder_login'"
            )
            > world.database.pool.get_size()
        ):
            await asyncio.sleep(0.05)


class TestPostgres(LogContract):
    def transport(self, database: Database) -> Transport:
        return PostgresTransport(database)
