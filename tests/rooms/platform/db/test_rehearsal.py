"""A rehearsal does everything for real and leaves nothing of it behind."""

import asyncpg
import pytest

from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant


async def test_what_is_rehearsed_can_be_read_within_and_is_gone_after(database):
    tenant = await new_tenant(database)
    count = "select count(*) from customers.customers"
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        async with tx.rehearsal():
            await a_customer(tx, now=NOW)
            within, announced = await tx.fetchval(count), len(tx.outbox)
        assert (within, announced) == (1, 1)
        assert await tx.fetchval(count) == 0
        assert tx.outbox == []
        assert not tx.has_hooks


async def test_a_rehearsal_keeps_what_was_done_before_it(database):
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        kept = await a_customer(tx, now=NOW)
        async with tx.rehearsal():
            await a_customer(tx, now=NOW)
        assert [each.event.customer_id for each in tx.outbox] == [kept.id]
        assert tx.has_hooks


async def test_a_rehearsal_that_fails_leaves_the_transaction_usable(database):
    async with database.transaction(actor="test") as tx:
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with tx.rehearsal():
                await tx.fetchval("select 1 / 0")
        assert await tx.fetchval("select 1") == 1
