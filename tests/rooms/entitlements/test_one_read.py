"""The answer is one row, found by one step into one index; and the row is what the facts amount to."""

import asyncio
import json

import pytest

from guilder.domain.dunning.events import AccessToBlock, CaseRecovered
from guilder.domain.entitlements import handlers, store
from guilder.domain.entitlements import service as entitlements
from guilder.domain.entitlements.model import NewAccount
from guilder.domain.entitlements.store.standings import BY_ID, BY_NAME
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import an_order_completed, of_case
from tests.support.builders.identity import NOW
from tests.support.database import connected


def nodes(plan):
    """Return every node of a plan."""
    return [plan, *(each for child in plan.get("Plans", ()) for each in nodes(child))]


async def test_a_question_is_one_statement(ground):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    asked = []
    async with ground.tx() as tx:
        tx.connection.add_query_logger(asked.append)
        found = await entitlements.standing(tx, text="org_1", now=NOW)
        assert found.is_eligible
        await asyncio.sleep(0)  # the logger is called soon
        assert [each.query for each in asked] == [BY_NAME]


@pytest.mark.parametrize(("sql", "index"), [(BY_NAME, "organization_id"), (BY_ID, "customer_id")])
async def test_a_statement_is_one_step_into_one_index(ground, database_urls, sql, index):
    async with ground.tx() as tx:
        accounts = [
            NewAccount(tenant_id=each.tenant_id, customer_id=each.id, organization_id=each.organization_id)
            for each in [ground.customer, *[await a_customer(tx) for _ in range(60)]]
        ]
        await entitlements.register(tx, accounts=accounts, now=NOW)
    async with connected(database_urls.admin) as admin:
        await admin.execute("analyze entitlements.standings")
    async with ground.tx() as tx:
        # Of a table as small as a test's reading it whole would be cheaper.
        await tx.execute("set local enable_seqscan = off")
        await tx.execute("set local enable_bitmapscan = off")
        name = ground.customer.id if index == "customer_id" else "org_1"
        plan = json.loads(await tx.fetchval(f"explain (format json) {sql}", ground.tenant_id, name))[0]["Plan"]
    reading = [each for each in nodes(plan) if "Relation Name" in each]
    assert [(each["Node Type"], each["Relation Name"]) for each in reading] == [("Index Scan", "standings")]
    assert index in reading[0]["Index Cond"]
    assert "tenant_id" in reading[0]["Index Cond"]


async def from_facts(ground):
    async with ground.tx() as tx:
        return await store.account(tx, customer_id=ground.customer.id, organization_id=None, code=None, now=NOW)


async def from_row(ground):
    async with ground.tx() as tx:
        return await store.standing(tx, customer_id=ground.customer.id, organization_id="")


async def test_the_row_is_what_the_facts_amount_to_after_each_of_them(ground):
    case = ids.new(NOW)
    for handler, message in (
        (handlers.on_order_completed, an_order_completed(ground.customer)),
        (handlers.on_order_completed, an_order_completed(ground.customer)),
        (handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")),
        (handlers.on_case_over, of_case(CaseRecovered, ground.customer, case_id=case)),
        (handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, reason="unpaid")),
    ):
        await ground.hear(handler, message)
        assert await from_row(ground) == await from_facts(ground)
    assert len((await from_row(ground)).blocks) == 1
    assert len((await from_row(ground)).grants) == 2


async def test_facts_that_come_at_once_are_all_in_it(ground):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    told = [
        message
        for _ in range(6)
        for message in (
            (handlers.on_order_completed, an_order_completed(ground.customer)),
            (handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, reason="unpaid")),
        )
    ]
    await asyncio.gather(*(ground.hear(handler, message) for handler, message in told))
    row = await from_row(ground)
    assert (len(row.grants), len(row.blocks)) == (7, 6)
    assert row == await from_facts(ground)


async def test_whoever_was_known_before_there_were_rows_is_answered_from_the_facts(ground, database_urls):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    async with connected(database_urls.admin) as admin:
        await admin.execute("delete from entitlements.standings")
    assert await from_row(ground) is None
    assert (await ground.standing()).is_eligible
    await ground.hear(handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, reason="unpaid"))
    assert await from_row(ground) == await from_facts(ground)


@pytest.mark.parametrize(
    "done",
    [
        """insert into entitlements.blocks (tenant_id, cause_id, customer_id, reason, since)
           select tenant_id, gen_random_uuid(), customer_id, 'unpaid', now() from entitlements.accounts""",
        "update entitlements.grants set ended_at = valid_from",
        """insert into entitlements.revocations (tenant_id, refund_id, customer_id, invoice_id, since)
           select tenant_id, gen_random_uuid(), customer_id, invoice_id, now() from entitlements.grants""",
    ],
    ids=["blocked", "ended", "refunded"],
)
async def test_what_a_worker_of_the_release_before_writes_is_answered_too(ground, done):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    async with ground.tx() as tx:
        await tx.execute("select set_config('guilder.schema', '', true)")  # it says nothing of what it knows
        await tx.execute(done)
    async with ground.tx() as tx:
        assert not (await entitlements.standing(tx, text="org_1", now=NOW)).is_eligible
