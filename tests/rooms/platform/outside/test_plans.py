"""A batch of calls costs the same beside ten others that wait and beside a million: nothing looks through a tenant's."""

import pytest

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
