"""Runs of the log: what follows a cursor lies between two positions, in whatever days, and nothing of it is left out."""

import asyncio

from guilder.kernel.event import Event
from guilder.platform.bus import outbox, store, together
from tests.contracts.log_toys import Asked, Counted, World
from tests.rooms.platform.ground import NOW, some_ids


async def positions(world: World) -> list[int]:
    return [row["position"] for row in await world.admin.fetch("select position from platform.log order by id")]


async def test_a_run_over_two_days_is_heard_in_the_order_of_its_positions(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing, 7)
    await world.admin.execute("update platform.log set day = day + 1 where (payload->>'n')::int % 2 = 0")
    await world.consumer(batch_max=4).drain()
    assert await world.heard() == {thing: [1, 2, 3, 4, 5, 6, 7]}
    assert await positions(world) == [1, 2, 3, 4, 5, 6, 7]
    rows = await world.admin.fetch("select first_position, last_position from platform.log_extents order by day")
    assert [tuple(row) for row in rows] == [(1, 7), (2, 6)]


async def test_topics_of_a_partition_come_side_by_side(world: World) -> None:
    (thing,) = some_ids(1)
    heard: list[tuple[str, int]] = []
    world.fault = lambda message: heard.append((type(message.event).__name__, message.event.n))
    for n in range(1, 9):
        async with world.database.transaction({world.tenant}, actor="test") as tx:
            told = [
                Counted(tenant_id=world.tenant, thing_id=thing, n=n),
                Asked(tenant_id=world.tenant, thing_id=thing, gateway="here", n=n),
            ]
            outbox.announce(tx, told, now=NOW)
    await world.consumer(world.hearing("all", Event), batch_max=5).drain()
    assert heard == [(name, n) for n in range(1, 9) for name in ("Counted", "Asked")]


async def test_positions_are_given_in_all_partitions_but_where_another_sequencer_is(world: World) -> None:
    await world.count_each(some_ids(40))
    async with world.database.transaction(actor="one") as one, world.database.transaction(actor="two") as two:
        shares = await store.unsequenced(one)
        held = await together.sequence(one, shares[:1], rows_max=100)
        assert held + await together.sequence(two, shares, rows_max=100) == 40
    wrong = await world.admin.fetch(
        """select * from (select l.*, row_number() over (partition by partition, topic order by id) as due
                            from platform.log l) as l
            where position <> due"""
    )
    assert wrong == []
    assert len(shares) > 4
    heads = "select topic, partition, {} as position from platform.{} order by 1, 2"
    ends = await world.admin.fetch(heads.format("last_position", "log_extents"))
    assert ends == await world.admin.fetch(heads.format("position", "log_heads"))


async def test_of_each_partition_so_many_rows_get_positions_at_most(world: World) -> None:
    for thing in some_ids(3):
        await world.count(thing, 5)
    async with world.database.transaction(actor="one") as tx:
        shares = await store.unsequenced(tx)
        given = []
        while more := await together.sequence(tx, shares, rows_max=2):
            given.append(more)
    assert given[0] == 2 * len(shares)
    assert sum(given) == 15


async def test_what_retention_dropped_fills_no_batch_of_other_partitions(world: World) -> None:
    things = some_ids(40)
    await world.count_each(things)
    await world.sequence()
    # To a group that is new, all of this partition seems to be before it, and none of it is there any more.
    dropped = await world.admin.fetchval("select min(partition) from platform.log")
    await world.admin.execute(f"delete from platform.log where partition = {dropped}")
    await world.admin.execute(f"delete from platform.log_extents where partition = {dropped}")
    await world.admin.execute(f"update platform.log_heads set position = 1000 where partition = {dropped}")
    left = {row["key"] for row in await world.admin.fetch("select key from platform.log")}
    consumer = world.consumer(batch_max=3)
    shares = sorted({row["partition"] for row in await world.admin.fetch("select partition from platform.log_heads")})
    while await consumer.step_together("listeners", shares):
        pass
    assert set(await world.heard()) == left


async def test_a_row_that_is_written_anew_while_positions_are_given_gets_its_own(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing, 3)
    async with world.admin.transaction():
        await world.admin.execute("update platform.log set actor = 'user:erased' where (payload->>'n')::int = 2")
        giving = asyncio.create_task(world.sequence())
        while not await world.admin.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
    assert await giving == 3
    assert await positions(world) == [1, 2, 3]


async def test_nobody_but_the_sequencer_gives_positions(world: World) -> None:
    assert not await world.admin.fetchval(
        "select has_function_privilege('guilder_app', 'platform.give_positions(date,tid[],bigint[],bigint)', 'execute')"
    )


async def test_what_follows_a_cursor_is_found_without_a_look_at_the_rest_of_the_day(world: World) -> None:
    """Whatever is known of the day's table: a plan is kept for all of them."""
    await world.count_each(some_ids(3_000))
    await world.sequence()
    await world.admin.execute("analyze platform.log")
    heads = await world.admin.fetch("select topic, partition, position from platform.log_heads")
    looked_at = """select coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)), 0)::bigint from pg_index i
                    where i.indrelid in (select inhrelid from pg_inherits where inhparent = 'platform.log'::regclass)"""
    async with world.admin.transaction():
        runs = await world.admin.fetch(
            "select * from platform.log_find_runs($1, $2, $3, 1000)",
            [row["partition"] for row in heads],
            [row["topic"] for row in heads],
            [row["position"] - 2 for row in heads],
        )
        seen = await world.admin.fetchval(looked_at)
    assert {run["last"] - run["first"] + 1 for run in runs} == {2}
    assert len(runs) == len(heads)
    assert seen <= 10 * len(heads)
