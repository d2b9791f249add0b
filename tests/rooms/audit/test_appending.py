"""Appending: what was announced stands in a chain, once, whoever is killed when."""

import asyncio

import pytest

from guilder.domain.audit import handlers
from guilder.domain.audit import service as audit
from guilder.domain.audit.model import Filter
from guilder.kernel.page import PageQuery
from tests.rooms.audit.conftest import audit_alone

RECORDS = "select * from audit.records where tenant_id = $1 and customer_id = $2 order by partition, seq"


async def test_keeps_what_was_announced_in_its_order(ground):
    customer_id = await ground.told(30, request_id="req_12345678")
    rows = await ground.rows(RECORDS, ground.tenant_id, customer_id)
    assert len(rows) == 30
    assert {(row["action"], row["actor"], row["request_id"], row["object_kind"]) for row in rows} == {
        ("notifications.notification.sent", "test", "req_12345678", "notification")
    }
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert (await ground.verify()).count == 0


async def test_the_heads_move_once_a_batch(ground):
    before = await ground.rows("select sum(n_tup_upd) as n from pg_stat_xact_user_tables where relname = 'heads'")
    customer_id = await ground.told(200)
    rows = await ground.rows(RECORDS, ground.tenant_id, customer_id)
    [head] = await ground.rows(
        "select * from audit.heads where tenant_id = $1 and partition = $2", ground.tenant_id, rows[0]["partition"]
    )
    assert (head["seq"], head["hash"]) == (rows[-1]["seq"], rows[-1]["hash"])
    assert before is not None


@pytest.mark.parametrize("fails", ["before", "behind"])
@pytest.mark.shows("I30", "ASVS 16.4.2")
async def test_a_crash_between_leaves_nothing_and_loses_nothing(ground, fails):
    lives = [False, True]

    async def dies_once(tx, rows, *, now):
        if fails == "behind":
            await handlers.on_rows(tx, rows, now=now)
        if not lives.pop(0) if lives else False:
            raise asyncio.CancelledError  # as a killed process: nothing is parked, nothing is noted
        if fails == "before":
            await handlers.on_rows(tx, rows, now=now)

    customer_id = await ground.announce(5)
    consumer, ground.consumer = ground.consumer, audit_alone(ground.database, ground.clock, dies_once)
    with pytest.raises(asyncio.CancelledError):
        await ground.hear()
    assert await ground.rows(RECORDS, ground.tenant_id, customer_id) == []
    ground.consumer = consumer
    await ground.hear()
    await ground.hear()
    assert len(await ground.rows(RECORDS, ground.tenant_id, customer_id)) == 5
    assert (await ground.verify()).count == 0


async def test_consumers_at_once_make_one_chain(ground):
    for _ in range(10):
        await ground.announce(20)
    others = [audit_alone(ground.database, ground.clock) for _ in range(4)]
    await asyncio.gather(ground.hear(), *(other.drain() for other in others))
    await ground.hear()
    [count] = await ground.rows(
        "select count(*) as n, count(distinct id) as ids from audit.records where action like 'notifications.%'"
    )
    assert (count["n"], count["ids"]) == (200, 200)
    assert (await ground.verify()).count == 0


async def test_a_sandbox_is_kept_apart(ground):
    await ground.told(2, tenant_id=ground.sandbox_id)
    rows = await ground.rows("select distinct class from audit.records where tenant_id = $1", ground.sandbox_id)
    assert rows == [{"class": "sandbox"}]
    async with ground.tx() as tx:
        page = await audit.records(tx, wanted=Filter(), query=PageQuery(limit=200))
    assert {each.record.entry.tenant_id for each in page.items} == {ground.tenant_id}


async def test_pages_go_on_where_they_ended(ground):
    customer_id = await ground.told(7)
    wanted, seen, after = Filter(customer_id=customer_id, action="notifications.*"), [], None
    async with ground.tx() as tx:
        while True:
            page = await audit.records(tx, wanted=wanted, query=PageQuery(limit=3, after=after))
            seen += [each.record.entry.id for each in page.items]
            after = page.next_after
            if after is None:
                break
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


async def test_filters_find_what_they_say_and_nothing_else(ground):
    customer_id = await ground.told(2, request_id="req_11111111", actor="api_key:key_1")
    await ground.told(3, request_id="req_22222222", actor="group:payments")
    now = ground.clock.now()

    async def count(**wanted):
        async with ground.tx() as tx:
            page = await audit.records(tx, wanted=Filter(**wanted), query=PageQuery(limit=200))
        return len(page.items)

    assert await count(customer_id=customer_id) == 2
    assert await count(actor="api_key:key_1") == 2
    assert await count(actor="group:payments") == 3
    assert await count(request_id="req_22222222") == 3
    assert await count(action="notifications.notification.sent") == 5
    assert await count(action="notifications.*") == 5
    assert await count(action="notifications") == 0
    assert await count(action="notifications.*", since=now) == 5
    assert await count(action="notifications.*", until=now) == 0
