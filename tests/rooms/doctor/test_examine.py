"""The doctor finds nothing in a healthy world, and each thing that is wrong in a broken one."""

import pytest

from guilder.wiring.doctor.checks import CHECKS
from guilder.wiring.doctor.run import examine
from tests.rooms.doctor.seeds import JOURNALS, SEEDS


async def test_a_healthy_world_is_found_healthy(world):
    report = await examine(world.urls.doctor, now=world.now, journal=world.journal, settled=True)
    assert [str(each) for each in report.violations] == []
    assert report.is_healthy
    assert report.examined == [check.id for check in CHECKS]
    assert report.tenants == 2


@pytest.mark.parametrize(("check", "sql"), SEEDS, ids=[f"{n}-{seed[0]}" for n, seed in enumerate(SEEDS)])
async def test_what_is_broken_is_found(world, check, sql):
    async with world.broken(sql) as look:
        report = await look()
    assert report.counts.get(check), f"{check} found nothing; {report.counts}"


async def test_what_the_relay_has_yet_to_carry_says_how_to_do_without_it(world):
    async with world.broken("insert into platform.log_groups values ('relay', 'invoices.%')") as look:
        report = await look()
    said = [str(each) for each in report.violations if "relay" in str(each)]
    assert said
    assert all("guilder relay --forget" in each for each in said)


@pytest.mark.parametrize(("check", "change"), JOURNALS, ids=[f"{n}-{seed[0]}" for n, seed in enumerate(JOURNALS)])
async def test_what_the_provider_says_otherwise_is_found(world, check, change):
    async with world.broken() as look:
        report = await look(journal=change(world.journal))
    assert report.counts.get(check), f"{check} found nothing; {report.counts}"
    assert set(report.counts) <= {"I04", "I04b", "I05", "I06"}


def test_every_check_is_tried():
    assert {check for check, _ in [*SEEDS, *JOURNALS]} == {check.id for check in CHECKS}
