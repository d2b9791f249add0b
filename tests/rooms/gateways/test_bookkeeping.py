"""Providers' books are read to the present, a day at a time, and then by the hour: not again and again."""

from datetime import timedelta

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Reading
from guilder.domain.gateways.service.bookkeeping import READ_EVERY, STEP_MAX

A_CALL = timedelta(seconds=3)


@pytest.mark.parametrize(
    ("behind", "goes_on"),
    [
        (A_CALL, False),
        (READ_EVERY - A_CALL, False),
        (READ_EVERY, True),
        (STEP_MAX, True),
    ],
)
async def test_a_reading_goes_on_only_where_it_is_behind_by_an_hour(till, behind, goes_on):
    async with till.tx() as tx:
        [account] = await gateways.open_accounts(tx)
        read = Reading(account=account, since=till.now - behind - STEP_MAX, until=till.now - behind)
        assert await gateways.record_readings(tx, read=[(read, [])], now=till.now) == [goes_on]
