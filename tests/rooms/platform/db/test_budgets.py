"""How many connections processes may open, whether PostgreSQL holds them, and who of them is at work."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from guilder.entrypoints.roles import (
    POOL_MAX,
    Budget,
    Connections,
    Role,
    budget_of,
    connections,
    is_answering,
    warn_of_shortage,
)
from guilder.platform.config import Settings
from guilder.platform.db.database import Database
from tests.support.database import DatabaseUrls


@pytest.fixture
async def processes(database_urls: DatabaseUrls) -> AsyncIterator[list[Database]]:
    """Two that serve and one that works, as PostgreSQL sees them."""
    found = [
        await Database.connect(database_urls.app, size_max=2, name=Budget(role, pool, beside, is_pooled=False).name)
        for role, pool, beside in ((Role.SERVE, 20, 0), (Role.SERVE, 20, 0), (Role.WORK, 12, 3))
    ]
    yield found
    for each in found:
        await each.close()


async def test_counts_what_all_processes_may_open_and_not_what_they_have_open(processes: list[Database]) -> None:
    before = await connections(processes[0])
    assert (before.asked, before.processes) == (55, 3)
    assert before.holds > 55
    # A second connection of the same process is within its budget.
    async with processes[0].pool.acquire(), processes[0].pool.acquire():
        now = await connections(processes[1])
    assert (now.asked, now.processes) == (55, 3)
    await processes[2].close()
    assert (await connections(processes[0])).asked == 40


async def test_says_at_the_start_when_that_is_more_than_there_are(
    processes: list[Database], database_urls: DatabaseUrls, caplog: pytest.LogCaptureFixture
) -> None:
    assert await warn_of_shortage(processes[0]) is not None
    assert "connections_are_short" not in caplog.text
    greedy = Budget(Role.WORK, 9_000, 3, is_pooled=False)
    database = await Database.connect(database_urls.app, size_max=2, name=greedy.name)
    try:
        found = await warn_of_shortage(database)
    finally:
        await database.close()
    assert found is not None
    assert found.are_short
    assert "connections_are_short" in caplog.text


async def test_whoever_works_sees_an_api_beside_it_that_was_asked_just_now(processes: list[Database]) -> None:
    serves, _, works = processes
    await asyncio.sleep(0.6)
    async with works.pool.acquire() as connection:
        await connection.fetchval("select 1")
    assert not await is_answering(works)
    async with serves.pool.acquire() as connection:
        await connection.fetchval("select 1")
    assert await is_answering(works)


@pytest.mark.parametrize(
    ("asked", "others", "holds", "are_short"), [(90, 7, 97, False), (91, 7, 97, True), (0, 98, 97, True)]
)
def test_is_short_by_one(asked: int, others: int, holds: int, are_short: bool) -> None:
    assert Connections(asked=asked, processes=3, others=others, holds=holds).are_short is are_short


def test_a_role_has_its_own_budget_unless_one_is_set() -> None:
    for role in Role:
        assert budget_of(settings(), role).pool_max == POOL_MAX[role]
        assert budget_of(settings(database_pool_max=7), role).pool_max == 7


def test_behind_a_pooler_processes_have_one_name() -> None:
    """It is told to the server again with every transaction, if it is not the same as the last one's."""
    pooled = settings(database_direct_url=SecretStr("postgresql://direct/guilder"))
    assert budget_of(pooled, Role.WORK).name == "guilder"
    names = {budget_of(settings(), Role.WORK).name for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("guilder work 16 ") for name in names)


def settings(**more: object) -> Settings:
    return Settings.model_construct(**{"database_url": SecretStr("postgresql://here/guilder"), **defaults(), **more})


def defaults() -> dict[str, object]:
    return {name: field.default for name, field in Settings.model_fields.items() if name != "database_url"}
