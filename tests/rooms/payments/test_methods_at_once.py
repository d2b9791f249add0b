"""Methods that are saved at the same moment."""

import asyncio

from guilder.domain.payments import service as payments
from guilder.domain.payments.rules.ordering import METHODS_MAX


async def save(till):
    async with till.tx() as tx:
        return await payments.add_method(tx, customer_id=till.customer.id, token=None, now=till.now)


async def test_of_six_at_once_no_more_are_saved_than_one_can_have(till):
    for _ in range(METHODS_MAX - 1):
        await save(till)
    results = await asyncio.gather(*[save(till) for _ in range(6)], return_exceptions=True)
    refused = [each for each in results if isinstance(each, Exception)]
    assert [type(each) for each in refused] == [payments.TooManyMethods] * 5
    found = await till.methods()
    assert len(found) == METHODS_MAX
    assert len({each.position for each in found}) == METHODS_MAX, "each has a place of its own"
