"""Whether each part of a spread-out installation took its part: a part that everybody does without proves nothing."""

import asyncio
from collections import Counter

from tests.support.database import connected
from tests.support.doctor import assert_healthy
from tests.support.processes import until
from tests.support.spread import APIS, OURS, RELAYS, WORKERS, SpreadOut

# Every process of ours is known to PostgreSQL by its role, its connections and a number of its own.
SESSIONS = """
select split_part(application_name, ' ', 2) as role, count(distinct application_name) as processes
  from pg_stat_activity where datname = $1 and application_name ~ '^guilder [a-z]+ [0-9]+ [0-9a-f]{8}$' group by 1"""
LEFT = "select group_name, behind, parked, dead from platform.log_lag() where behind + parked + dead > 0"


async def assert_all_took_part(installation: SpreadOut) -> None:
    """Look at the end of the stories: nothing is left, nothing is wrong, and nobody stood by."""
    down = [name for name in installation.names if not installation.is_running(name)]
    assert not down, down
    await until(lambda: nothing_is_left(installation), what="the end of the log, in Kafka too")
    await assert_healthy(installation)
    await until(lambda: all_stand_ready(installation), what="every process of ours at the primary")
    figures = {name: await asyncio.to_thread(installation.figures, name) for name in OURS}
    assert_answers_came_through_nginx(installation)
    for name in APIS:
        assert figures[name]["guilder_limits_drawn_total", "redis", "allowed"], f"{name} counted without Redis"
        assert figures[name]["guilder_replica_used",], f"{name} leaves the replica out"
    may_lag = total(figures, APIS, "guilder_lagging_reads_total")
    at_the_replica = total(figures, APIS, "guilder_lagging_reads_total", "replica")
    assert at_the_replica or not may_lag, f"of {may_lag} reads that may lag none was made at the replica"
    for name in WORKERS:
        assert any(key[0] == "guilder_kafka_rebalances_total" for key in figures[name]), f"{name} heard no Kafka"
    assert total(figures, WORKERS, "guilder_transport_rows_total", "broker"), "no row was told of by a record"
    assert total(figures, RELAYS, "guilder_relay_rows_total", "sent"), "nothing was carried to Kafka"


def assert_answers_came_through_nginx(installation: SpreadOut) -> None:
    given = Counter(each["server"] for each in installation.edge.lines() if 200 <= each["status"] < 400)
    for name in APIS:
        assert given[f"127.0.0.1:{installation.ports[name]}"], f"{name} has answered nobody: {given}"


async def nothing_is_left(installation: SpreadOut) -> bool:
    async with connected(installation.urls.admin) as admin:
        return not await admin.fetch(LEFT)


async def all_stand_ready(installation: SpreadOut) -> bool:
    # A replica that was promoted is what it was to the APIs, too: they stand there twice.
    return await who_stands(installation) >= Counter(OURS.values())


async def who_stands(installation: SpreadOut) -> Counter[str]:
    """Return how many processes of each role have sessions at the primary."""
    async with connected(installation.urls.admin) as admin:
        rows = await admin.fetch(SESSIONS, installation.urls.name)
    return Counter({row["role"]: row["processes"] for row in rows})


def total(figures: dict[str, dict[tuple[str, ...], float]], names: tuple[str, ...], *key: str) -> float:
    """Add up what these count under a name and its first labels."""
    return sum(value for name in names for found, value in figures[name].items() if found[: len(key)] == key)
