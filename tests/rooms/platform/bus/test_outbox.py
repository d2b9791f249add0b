import asyncpg
import pytest

from guilder.kernel import ids
from guilder.platform.bus import codec, outbox, store, together
from guilder.platform.db.tx import Tx
from tests.contracts.log_toys import Counted, World
from tests.rooms.platform.ground import NOW, a_tenant, some_ids


def counted(world: World, n: int = 1) -> Counted:
    return Counted(tenant_id=world.tenant, thing_id=ids.new(NOW), n=n)


@pytest.mark.shows("ASVS 16.2.1")
async def test_writes_who_what_and_when_beside_the_event(world: World) -> None:
    event = counted(world)
    async with world.database.transaction({world.tenant}, actor="key:1", request_id="req", traceparent="00-ab") as tx:
        outbox.announce(tx, [event], now=NOW)
    (row,) = await world.admin.fetch("select *, recorded_at::date as recorded_on from platform.log")
    assert (row["actor"], row["request_id"], row["traceparent"]) == ("key:1", "req", "00-ab")
    assert (row["topic"], row["name"], row["version"], row["key"]) == ("toy.events", "toy.counted", 1, event.thing_id)
    assert (row["occurred_at"], row["day"], row["position"]) == (NOW, row["recorded_on"], None)
    assert codec.decode(Counted, row["payload"]) == event


async def test_is_written_after_every_other_hook_whichever_was_asked_for_first(world: World) -> None:
    seen: list[int] = []

    async def number(tx: Tx) -> None:
        seen.append(await tx.fetchval("select count(*) from platform.log"))
        outbox.announce(tx, [counted(world)], now=NOW)

    async with world.database.transaction({world.tenant}, actor="test") as tx:
        outbox.announce(tx, [counted(world)], now=NOW)
        tx.before_commit("numbers", number)
    assert seen == [0]
    assert await world.admin.fetchval("select count(*) from platform.log") == 2


async def test_refuses_an_event_of_a_tenant_that_the_transaction_is_not_for(world: World) -> None:
    async with world.database.transaction({a_tenant()}, actor="test", keep=False) as tx:
        with pytest.raises(AssertionError, match="not for"):
            outbox.announce(tx, [counted(world)], now=NOW)


async def test_numbers_are_drawn_in_the_order_of_the_announcements_and_partitions_by_their_keys(world: World) -> None:
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        outbox.announce(tx, [counted(world, n) for n in range(500)], now=NOW)
    rows = await world.admin.fetch(
        "select (payload->>'n')::int as n, partition, platform.log_partition(key) as wanted from platform.log order by id"
    )
    assert [row["n"] for row in rows] == list(range(500))
    # Worked out where they are written, and not by the function that others ask.
    assert [row["partition"] for row in rows] == [row["wanted"] for row in rows]
    assert len({row["partition"] for row in rows}) == 16


async def test_the_partition_of_a_key_is_the_same_in_the_database_and_in_python(world: World) -> None:
    for key in some_ids(50):
        assert await world.admin.fetchval("select platform.log_partition($1)", key) == codec.partition_of(key, 16)


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_a_tenant_sees_its_own_events_only_and_changes_none(world: World) -> None:
    await world.count(ids.new(NOW))
    async with world.database.transaction({a_tenant()}, actor="test") as tx:
        assert await tx.fetchval("select count(*) from platform.log") == 0
    async with world.database.transaction({world.tenant}, actor="test", keep=False) as tx:
        assert await tx.fetchval("select count(*) from platform.log") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute("update platform.log set payload = '{}'")


async def test_no_door_in_the_wall_is_open_to_everyone_or_tells_a_payload(world: World) -> None:
    rows = await world.admin.fetch(
        """select p.proname, p.prosecdef, p.proconfig, coalesce(pg_get_function_result(p.oid), '') as result,
                  has_function_privilege('guilder_app', p.oid, 'execute') as app,
                  exists (select from aclexplode(p.proacl) where grantee = 0) as everyone
             from pg_proc p where p.pronamespace = 'platform'::regnamespace and p.proname like 'log\\_%'"""
    )
    doors = [row for row in rows if row["prosecdef"]]
    assert len(doors) >= 15
    for door in rows:
        assert (door["app"], door["everyone"]) == (True, False), door["proname"]
        # One says beside it how its own statements are planned.
        planned = {"plan_cache_mode=force_generic_plan", "enable_bitmapscan=off", "enable_seqscan=off"}
        assert set(door["proconfig"]) - planned == {'search_path=""'}, door["proname"]
        assert "json" not in door["result"], door["proname"]


async def test_two_sequencers_never_share_a_partition(world: World) -> None:
    await world.count(ids.new(NOW))
    async with world.database.transaction(actor="one") as one, world.database.transaction(actor="two") as two:
        (partition,) = await store.unsequenced(one)
        assert await together.sequence(one, [partition], rows_max=10) == 1
        assert await together.sequence(two, [partition], rows_max=10) == 0
