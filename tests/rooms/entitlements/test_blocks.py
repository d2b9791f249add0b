import asyncio
from itertools import permutations

import pytest

from guilder.domain.dunning.events import AccessToBlock, CaseClosed, CaseRecovered
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import an_order_completed, of_case
from tests.support.builders.identity import NOW, new_tenant


@pytest.fixture
async def bought(ground):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))


async def test_a_case_shuts_out_until_it_is_over(ground, bought):
    case = ids.new(NOW)
    to_block = of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")
    assert await ground.hear(handlers.on_access_to_block, to_block) == ["blocked"]
    found = await ground.standing()
    assert (found.is_eligible, found.is_blocked, found.reasons) == (False, True, ("unpaid",))
    recovered = of_case(CaseRecovered, ground.customer, case_id=case)
    assert await ground.hear(handlers.on_case_over, recovered) == ["restored"]
    assert (await ground.standing()).is_eligible


async def test_repeats_are_announced_once(ground):
    case = ids.new(NOW)
    to_block = of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")
    recovered = of_case(CaseRecovered, ground.customer, case_id=case)
    told = [(handlers.on_access_to_block, to_block)] * 2 + [(handlers.on_case_over, recovered)] * 2
    assert [await ground.hear(handler, message) for handler, message in told] == [["blocked"], [], ["restored"], []]


async def test_a_block_heard_after_its_case_was_over_shuts_nobody_out(ground, bought):
    case = ids.new(NOW)
    facts = [
        (handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")),
        (handlers.on_case_over, of_case(CaseRecovered, ground.customer, case_id=case)),
        (handlers.on_case_over, of_case(CaseClosed, ground.customer, case_id=case)),
    ]
    for order in permutations(facts):
        for handler, message in order:
            await ground.hear(handler, message)
        assert (await ground.standing()).is_eligible


async def test_of_two_causes_each_has_to_be_lifted(ground, bought):
    first, second = ids.new(NOW), ids.new(NOW)
    for case in (first, second):
        to_block = of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")
        await ground.hear(handlers.on_access_to_block, to_block)
    await ground.hear(handlers.on_case_over, of_case(CaseRecovered, ground.customer, case_id=first))
    assert (await ground.standing()).is_blocked
    await ground.hear(handlers.on_case_over, of_case(CaseClosed, ground.customer, case_id=second))
    assert (await ground.standing()).is_eligible


async def test_a_block_and_its_lifting_at_one_moment_leave_access(ground, bought):
    for _ in range(10):
        case = ids.new(NOW)
        await asyncio.gather(
            ground.hear(
                handlers.on_access_to_block,
                of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid"),
            ),
            ground.hear(handlers.on_case_over, of_case(CaseRecovered, ground.customer, case_id=case)),
        )
    assert (await ground.standing()).is_eligible


async def test_a_cause_that_never_blocked_is_told_from_one_that_did(ground):
    did, did_not = ids.new(NOW), ids.new(NOW)
    to_block = of_case(AccessToBlock, ground.customer, case_id=did, reason="unpaid")
    await ground.hear(handlers.on_access_to_block, to_block)
    for case in (did, did_not):
        await ground.hear(handlers.on_case_over, of_case(CaseRecovered, ground.customer, case_id=case))
    refs = [Ref(ground.tenant_id, did), Ref(ground.tenant_id, did_not)]
    async with ground.tx() as tx:
        assert await entitlements.that_blocked(tx, causes=refs) == {refs[0]}


async def test_the_blocked_are_listed_by_page_within_their_tenant(ground, database):
    async with ground.tx() as tx:
        others = [await a_customer(tx, organization_id=f"org_{n}") for n in (2, 3)]
    stranger = await new_tenant(database)
    async with database.transaction([stranger.tenant_id], actor="test") as tx:
        theirs = await a_customer(tx)
        await handlers.on_access_to_block(tx, [of_case(AccessToBlock, theirs, reason="unpaid")], now=NOW)
    for each in (ground.customer, *others, others[0]):
        await ground.hear(handlers.on_access_to_block, of_case(AccessToBlock, each, reason="unpaid"))
    async with ground.tx() as tx:
        first = await entitlements.blocked(tx, query=PageQuery(limit=2))
        rest = await entitlements.blocked(tx, query=PageQuery(limit=2, after=first.next_after))
    listed = [(each.organization_id, len(each.blocks)) for each in (*first.items, *rest.items)]
    assert listed == [("org_3", 1), ("org_2", 2), ("org_1", 1)]
    assert rest.next_after is None


async def test_a_batch_of_several_tenants_reaches_each_in_its_own(ground, database):
    other = await new_tenant(database)
    async with database.transaction([other.tenant_id], actor="test") as tx:
        theirs = await a_customer(tx, organization_id="org_1")
    case = ids.new(NOW)
    both = [of_case(AccessToBlock, each, case_id=case, reason="unpaid") for each in (ground.customer, theirs)]
    async with database.transaction([ground.tenant_id, other.tenant_id], actor="test") as tx:
        await handlers.on_access_to_block(tx, both, now=NOW)
        await handlers.on_order_completed(tx, [an_order_completed(ground.customer)], now=NOW)
        await handlers.on_case_over(tx, [of_case(CaseRecovered, theirs, case_id=case)], now=NOW)
    async with database.transaction([other.tenant_id], actor="test") as tx:
        found = await entitlements.standing(tx, text="org_1", now=NOW)
    assert (found.customer_id, found.is_blocked, found.grants) == (theirs.id, False, ())
    own = await ground.standing()
    assert (own.customer_id, own.is_blocked, len(own.grants)) == (ground.customer.id, True, 1)
