"""An intent …"""

from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.outside import intents as outside
from tests.rooms.platform.ground import NOW, a_tenant
from tests.rooms.platform.outside.toys import World, no_answer


async def test_written_twice_is_written_once(world: World):
    (subject,) = await world.charge()
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        await outside.intend(tx, intents=[world.intent(subject), world.intent(subject)], now=NOW)
        await outside.intend(tx, intents=[world.intent(subject, step="other")], now=NOW)
    assert [row["step"] for row in await world.rows()] == ["prepare", "other"]


async def test_of_a_transaction_that_was_rolled_back_never_was(world: World):
    async with world.database.transaction({world.tenant}, actor="test", keep=False) as tx:
        await outside.intend(tx, intents=[world.intent(a_tenant())], now=NOW)
    assert await world.rows() == []


async def test_is_withdrawn_only_if_no_runner_ever_took_it(world: World):
    performer = world.charging()
    taken, free = (await world.charge())[0], (await world.charge(destination="gateway:other"))[0]
    world.provider.answers[taken] = [no_answer()]
    await world.runner(performer).step("gateway:toy")
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        refs = [Ref(world.tenant, taken), Ref(world.tenant, free)]
        assert await outside.withdraw(tx, kind="toy.charge", subjects=refs) == [Ref(world.tenant, free)]
    assert [row["subject_id"] for row in await world.rows()] == [taken]


async def test_is_seen_by_its_own_tenant_only(world: World):
    await world.charge()
    async with world.database.transaction({a_tenant()}, actor="test") as tx:
        assert await tx.fetch("select 1 from platform.intents") == []
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        assert len(await tx.fetch("select 1 from platform.intents")) == 1


async def test_is_pending_until_it_is_done(world: World):
    await world.charge(3)
    await world.charge(2, tenant=a_tenant())
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        assert await outside.pending(tx, world.tenant) == 3
    assert await world.runner(world.charging()).drain() == 5
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        assert await outside.pending(tx, world.tenant) == 0


async def test_that_is_dead_is_listed_with_its_reason_and_replayed_with_the_same_key(world: World):
    (subject,) = await world.charge()
    performer, runner = world.charging(), world.runner(world.charging())
    world.provider.answers[subject] = [no_answer()] * performer.limits.attempts_max
    for _ in range(performer.limits.attempts_max):
        await world.make_due()
        assert await runner.drain() == 1
    assert await world.statuses() == ["given up"]
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        (dead,) = (await outside.dead(tx, page=PageQuery())).items
        assert (dead.reason, dead.subject_id, dead.attempts) == ("no answer", subject, 3)
        assert await outside.pending(tx, world.tenant) == 0
        assert await outside.replay(tx, refs=[Ref(dead.tenant_id, dead.id)]) == 1
    assert await runner.drain() == 1
    assert await world.statuses() == ["paid"]
    assert world.provider.journal == [f"toy.charge:prepare:{subject}"] * 4 + [f"toy.charge:confirm:{subject}"]


async def test_that_is_done_begins_anew_only_if_it_is_revived(world: World):
    (subject,) = await world.charge()
    runner = world.runner(world.charging())
    await runner.drain()
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        await tx.execute("update toy.charges set status = 'created'")
        await outside.intend(tx, intents=[world.intent(subject)], now=NOW)
    assert await runner.drain() == 0
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        await outside.intend(tx, intents=[world.intent(subject)], now=NOW, revive=True)
    assert await runner.drain() == 1


async def test_of_long_ago_is_purged_when_it_is_done_and_kept_when_it_is_not(world: World):
    await world.charge(2)
    runner = world.runner(world.charging())
    await runner.drain()
    await world.charge(1)
    await world.admin.execute("update platform.intents set changed_at = now() - interval '40 days'")
    async with world.database.transaction(actor="test") as tx:
        assert await outside.store.purge(tx, older_than_days=30, limit=100) == 2
    assert [row["state"] for row in await world.rows()] == ["waiting"]
