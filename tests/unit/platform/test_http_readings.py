"""Of sensitive readings that are polled one record an hour is made."""

from uuid import uuid4

import pytest

from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.http.calls import READ_ONCE_S, READS_MAX, Caller, Readings
from tests.support.identity_provider import Seconds

WHO = Principal(Kind.API_KEY, "key_1", TenantId(uuid4()), Role.ADMIN)
CALLER = Caller("GET", "/api/customers", (), WHO, "192.0.2.0/24", "curl")


@pytest.mark.shows("ASVS 16.2.1")
async def test_the_same_reading_is_new_again_after_an_hour_and_not_before():
    clock = Seconds()
    readings = Readings(clock)
    assert readings.is_new(CALLER)
    await readings.remember(CALLER)
    clock.move(READ_ONCE_S - 1)
    assert not readings.is_new(CALLER)
    clock.move(1)
    assert readings.is_new(CALLER)


@pytest.mark.parametrize(
    "other",
    [
        replace(CALLER, objects=("cus_1",)),
        replace(CALLER, route="/api/audit"),
        replace(CALLER, network="198.51.100.0/24"),
        replace(CALLER, principal=replace(WHO, subject="key_2")),
        replace(CALLER, principal=replace(WHO, tenant_id=TenantId(uuid4()))),
    ],
)
async def test_another_reading_is_new(other: Caller):
    readings = Readings(Seconds())
    await readings.remember(CALLER)
    assert readings.is_new(other)


async def test_what_is_remembered_has_an_end():
    readings = Readings(Seconds())
    for number in range(READS_MAX + 1):
        await readings.remember(replace(CALLER, objects=(str(number),)))
    assert readings.is_new(replace(CALLER, objects=("0",)))
    assert not readings.is_new(replace(CALLER, objects=("1",)))
