"""A statement that is sent runs while its caller goes on: nothing that it raises is lost, and nothing is sent after it."""

import asyncio
import time

import asyncpg
import pytest

from guilder.platform.db.database import Database
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant

FAILS = "select 1 / 0"
RENAME = "update customers.customers set language = 'fr'"
COUNT = "select count(*) from customers.customers where language = 'fr'"


async def test_its_caller_goes_on_while_it_runs(database: Database) -> None:
    async with database.transaction(actor="test") as tx:
        began = time.monotonic()
        await tx.send("select pg_sleep(0.3)")
        assert time.monotonic() - began < 0.2
        assert await tx.fetchval("select 1") == 1
        assert time.monotonic() - began >= 0.3


async def test_it_says_how_many_rows_it_touched_and_is_seen_by_the_next_one(database: Database) -> None:
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, now=NOW)
        touched = await tx.send(RENAME)
        assert await tx.fetchval(COUNT) == 1
        assert await touched == 1
        assert await tx.execute(RENAME) == 1


@pytest.mark.parametrize("verb", ["fetch", "fetchrow", "fetchval", "execute", "send", "settle"])
async def test_the_next_statement_raises_what_it_raised(database: Database, verb: str) -> None:
    async with database.transaction(actor="test", keep=False) as tx:
        await tx.send(FAILS)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await getattr(tx, verb)(*([] if verb == "settle" else ["select 1"]))


async def test_if_there_is_none_the_commit_raises_it_and_nothing_is_kept(database: Database) -> None:
    tenant = await new_tenant(database)

    async def work() -> None:
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_customer(tx, now=NOW)
            await tx.run_hooks()
            await tx.send(FAILS)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await work()
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        assert await tx.fetchval("select count(*) from customers.customers") == 0


async def test_what_is_sent_last_is_kept(database: Database) -> None:
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, now=NOW)
        await tx.run_hooks()
        await tx.send(RENAME)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        assert await tx.fetchval(COUNT) == 1


async def test_who_fails_meanwhile_waits_for_nothing_and_leaves_a_clean_connection(database: Database) -> None:
    async def work() -> None:
        async with database.transaction(actor="test") as tx:
            await tx.send("select pg_sleep(20)")
            raise LookupError

    began = time.monotonic()
    with pytest.raises(LookupError):
        await work()
    assert time.monotonic() - began < 10
    async with database.transaction(actor="test") as tx:
        assert await tx.fetchval("select 1") == 1


async def test_who_is_cancelled_while_it_waits_for_it_leaves_a_clean_connection(database: Database) -> None:
    async def work() -> None:
        async with database.transaction(actor="test") as tx:
            await tx.send("select pg_sleep(20)")
            await tx.fetchval("select 1")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction(actor="test") as tx:
        assert await tx.fetchval("select 1") == 1


async def test_what_was_sent_before_a_rehearsal_stays_and_what_is_sent_within_does_not(database: Database) -> None:
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, now=NOW)
        await tx.send(RENAME)
        async with tx.rehearsal():
            await tx.send("update customers.customers set language = 'sv'")
        assert await tx.fetchval(COUNT) == 1
