"""The part of the log's contract that is about batches of several partitions."""

import pytest

from guilder.platform.bus import store, together
from guilder.platform.bus.batches import LostCursor
from tests.contracts.log_toys import World
from tests.rooms.platform.ground import NOW, some_ids


class Together:
    """Inherited by LogContract."""

    async def test_gives_positions_where_no_other_sequencer_is_at_it(self, world: World) -> None:
        for thing in some_ids(60):
            await world.count(thing)
        unsequenced = "select count(*) from platform.log where position is null and partition = any ($1)"
        async with world.database.transaction(actor="test") as tx:
            held, *others = await store.unsequenced(tx)
            assert await tx.fetchval("select pg_try_advisory_xact_lock(1735747442, $1)", held)
            await world.sequence()
            left = [await world.admin.fetchval(unsequenced, each) for each in ([held], others)]
        assert left[0] > 0
        assert left[1] == 0
        await world.sequence()
        assert await world.admin.fetchval(unsequenced, [held, *others]) == 0

    async def test_takes_a_few_messages_of_many_partitions_together(self, world: World) -> None:
        consumer, things = world.consumer(), some_ids(60)
        for _ in range(2):
            await world.count_each(things)
            await consumer.drain()
        assert [count for _, count in world.calls] == [60, 60], "sixteen partitions, one call"
        assert await world.heard() == await world.counts()

    async def test_takes_together_what_no_other_consumer_holds(self, world: World) -> None:
        consumer, things = world.consumer(), some_ids(60)
        await world.count_each(things)
        await consumer.drain()
        await world.count_each(things)
        await world.sequence()
        async with world.database.transaction(actor="test") as tx:
            shares = await store.news(tx, ["listeners"], now=NOW)
            assert await store.claim(tx, *shares[0], now=NOW)
            held = await world.admin.fetchval(
                "select count(*) / 2 from platform.log where partition = $1", shares[0].partition
            )
            dealt = await consumer.step_together("listeners", [share.partition for share in shares])
        assert dealt == 60 - held < 60
        await consumer.drain()
        assert await world.heard() == await world.counts()

    async def test_refuses_all_of_a_batch_one_of_whose_cursors_was_moved(self, world: World) -> None:
        consumer, things = world.consumer(), some_ids(60)
        await world.count_each(things)
        await consumer.drain()
        await world.count_each(things)
        await world.sequence()
        async with world.database.transaction(actor="test") as tx:
            shares = await store.news(tx, ["listeners"], now=NOW)
            claimed = await together.claim(tx, "listeners", [share.partition for share in shares], now=NOW)
        await consumer.step(*shares[0])
        cursors = "select * from platform.log_cursors where group_name = 'listeners' order by topic, partition"
        before = await world.admin.fetch(cursors)
        moves = [(partition, cursor, cursor.position + 1) for partition, (cursor,) in claimed.items()]
        with pytest.raises(LostCursor):
            async with world.consumer()._batches._transaction("listeners") as tx:
                await together.move(tx, "listeners", moves, epoch=moves[0][1].epoch)
        assert await world.admin.fetch(cursors) == before
        await consumer.drain()
        assert await world.heard() == await world.counts()
