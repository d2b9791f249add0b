"""Accounts that are chosen, retired and connected at the same moment: one after the other, and one is the default."""

import asyncio

from guilder.domain.gateways import service as gateways
from guilder.kernel.errors import NotFound
from tests.support.builders.identity import NOW, a_tenant


async def act(till, verb, **over):
    async with till.tx() as tx:
        return await verb(tx, **over)


async def test_who_is_made_the_default_and_retired_at_once_is_one_of_them(till):
    for _ in range(5):
        other = await till.another_account()
        verbs = [gateways.make_default, gateways.retire]
        results = await asyncio.gather(
            *[act(till, verb, account_id=other.id) for verb in verbs], return_exceptions=True
        )
        [refused] = [each for each in results if isinstance(each, Exception)]
        assert isinstance(refused, gateways.DefaultIsNeeded | NotFound), refused
        async with till.tx() as tx:
            found = await gateways.accounts(tx)
        assert sum(each.is_default for each in found) == 1
        assert all(each.is_active for each in found if each.is_default)


async def test_of_many_that_are_to_be_the_default_the_last_one_is(till):
    others = [await till.another_account() for _ in range(3)]
    await asyncio.gather(*[act(till, gateways.make_default, account_id=each.id) for each in others * 2])
    said = {"gateway": "simulated", "secret_key": "sk_sim_other", "is_default": True, "now": till.now}
    await asyncio.gather(*[act(till, gateways.connect, name=f"No. {each}", **said) for each in range(4)])
    async with till.tx() as tx:
        assert sum(each.is_default for each in await gateways.accounts(tx)) == 1


async def test_of_many_that_are_connected_first_one_is_the_default(database):
    async with database.transaction(actor="test") as tx:
        tenant = await a_tenant(tx)

    async def connect(name):
        async with database.transaction({tenant.tenant_id}, actor="test") as tx:
            said = {"gateway": "simulated", "secret_key": "sk_sim_other", "is_default": False, "now": NOW}
            await gateways.connect(tx, name=name, **said)

    await asyncio.gather(*[connect(f"No. {each}") for each in range(4)])
    async with database.transaction({tenant.tenant_id}, actor="test") as tx:
        assert sum(each.is_default for each in await gateways.accounts(tx)) == 1
