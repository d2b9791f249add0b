"""A final invoice stays as it is; what came of it afterwards is still written beside."""

import asyncpg
import pytest

from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import an_invoice

WRITTEN_LATER = ("paid", "credited", "credit_applied", "refunded", "paid_out", "disputed", "documented")


@pytest.mark.parametrize("what", WRITTEN_LATER)
async def test_what_came_of_it_is_written(open_tx, customer, what):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, now=NOW)
        changed = await tx.execute(
            f"update invoicing.invoices set {what}_minor = {what}_minor + 1 where id = $1", made.id
        )
    assert changed == 1


@pytest.mark.parametrize("what", ["total_minor", "sequence"])
async def test_what_it_says_is_not_changed(open_tx, customer, what):
    async def change():
        async with open_tx() as tx:
            made = await an_invoice(tx, customer, now=NOW)
            await tx.execute(f"update invoicing.invoices set {what} = {what} + 1 where id = $1", made.id)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await change()
