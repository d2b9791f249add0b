"""A batch of calls costs the same beside ten others that wait and beside a million: nothing looks through a tenant's."""

import pytest

from guilder.platform.db.tx import Tx
from guilder.platform.outside import store
from guilder.platform.outside.phases import Phases
from tests.rooms.platform.outside.toys import World
from tests.support.plans import looked_at

MANY, FEW, BATCH = 5_000, 10, 50


@pytest.fixture
async def claims(world: World):
    await world.charge(BATCH)
    taken, _ = await Phases(world.database, [world.charging()], world.clocks).take("gateway:toy", BATCH)
    await world.admin.execute(
        """insert into platform.intents
           select (jsonb_populate_record(i, jsonb_build_object(
                      'id', gen_random_uuid(), 'subject_id', gen_random_uuid(), 'is_leased', false))).*
             from platform.intents i, generate_series(1, $1) where i.id = $2""",
        MANY,
        taken[0].id,
    )
    await world.admin.execute("analyze platform.intents")
    return [[c.tenant_id for c in taken], [c.id for c in taken], [c.fence for c in taken]]


async def test_what_is_held_is_found_by_its_keys(world: World, claims):
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        seen = await looked_at(tx, store.HELD, *claims)
    assert BATCH <= max(seen.values()) <= FEW * BATCH, seen


async def test_what_becomes_of_it_is_written_by_its_keys(world: World, claims):
    becomes = [["done"] * BATCH, ["confirm"] * BATCH, [1] * BATCH, [False] * BATCH, [0.0] * BATCH, [None] * BATCH]
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        seen = await looked_at(tx, store.APPLY, *claims, *becomes)
        assert await tx.fetchval("select count(*) from platform.intents where state = 'done'") == BATCH
    assert BATCH <= max(seen.values()) <= FEW * BATCH, seen


@pytest.mark.parametrize(
    "others",
    ["kind = 'toy.mail'", "due_at = clock_timestamp() + interval '1 day'"],
    ids=["of other kinds", "not due yet"],
)
async def test_what_is_due_of_these_kinds_is_found_among_all_others_that_wait(world: World, claims, others: str):
    await world.admin.execute(f"update platform.intents set {others} where not is_leased")
    await world.admin.execute("vacuum analyze platform.intents")
    await world.charge(FEW)
    async with world.database.transaction(set(), actor="test") as tx:
        before = await rows_seen(tx)
        assert await store.destinations(tx, ["toy.charge"]) == ["gateway:toy"]
        assert len(await store.claim(tx, "gateway:toy", {"toy.charge": 10.0}, limit=BATCH)) == FEW
        assert await rows_seen(tx) - before <= FEW * FEW


async def rows_seen(tx: Tx) -> int:
    """Return how many rows of the intents this transaction has gone to, and passed over or not."""
    return int(
        await tx.fetchval(
            """select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
                where relid = 'platform.intents'::regclass"""
        )
    )
