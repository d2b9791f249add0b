import pytest

from guilder.domain.customers.events import CustomerCreated
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import an_order_completed, heard
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected


async def test_a_customer_is_found_by_either_name(ground):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    names = [ground.customer.organization_id, str(ground.customer.id), ids.to_text("cus", ground.customer.id)]
    async with ground.tx() as tx:
        found = [await entitlements.standing(tx, text=name, now=NOW) for name in names]
    assert found[0].is_eligible
    assert found == [found[0]] * 3


async def test_a_customer_whom_nothing_was_heard_of_is_known_all_the_same(ground):
    found = await ground.standing()
    assert (found.customer_id, found.is_eligible) == (ground.customer.id, False)


async def test_nobody_and_another_tenants_customer_are_unknown_alike(ground, database):
    other = await new_tenant(database)
    async with database.transaction([other.tenant_id], actor="test") as tx:
        theirs = await a_customer(tx, organization_id="org_x")
        await handlers.on_order_completed(tx, [an_order_completed(theirs)], now=NOW)
    for name in ("org_x", str(theirs.id), "nobody", str(ids.new(NOW))):
        async with ground.tx() as tx:
            with pytest.raises(NotFound):
                await entitlements.standing(tx, text=name, now=NOW)


async def test_a_customers_user_sees_no_other_customer(ground):
    async with ground.tx() as tx:
        other = await a_customer(tx, organization_id="org_2")
        await handlers.on_order_completed(tx, [an_order_completed(other)], now=NOW)
    async with ground.tx() as tx:
        with pytest.raises(NotFound):
            await entitlements.standing(tx, text="org_2", only=ground.customer.id, now=NOW)


async def test_the_hot_question_is_one_statement_over_indexes(ground, database_urls, monkeypatch):
    created = CustomerCreated(
        tenant_id=ground.tenant_id, customer_id=ground.customer.id, organization_id=ground.customer.organization_id
    )
    await ground.hear(handlers.on_customer_created, heard(created), heard(created))
    async with ground.tx() as tx:
        asked = []
        fetchrow = type(tx).fetchrow
        monkeypatch.setattr(type(tx), "fetchrow", lambda *a: (asked.append(a[1:]), fetchrow(*a))[1])
        monkeypatch.setattr(type(tx), "fetch", None)
        await entitlements.standing(tx, text="org_1", now=NOW)
        monkeypatch.undo()
    [(statement, *values)] = asked
    async with connected(database_urls.admin) as admin:
        await admin.execute("set enable_seqscan = off")
        plan = "\n".join(row[0] for row in await admin.fetch(f"explain {statement}", *values))
    assert "Seq Scan" not in plan, plan


async def test_nothing_in_the_room_says_who_somebody_is(ground, database_urls):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    async with connected(database_urls.admin) as admin:
        whole = await admin.fetchval("select jsonb_agg(to_jsonb(a))::text from entitlements.accounts a")
    assert "org_1" in whole
    assert "Ada" not in whole
