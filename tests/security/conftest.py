"""A house under siege: furnished once for a worker, and left as it was found by whoever attacks it.

Tests that ask for `siege` stand in one file: what is asked of one worker is furnished once.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guilder.entrypoints import answering, serving
from tests.support.database import DatabaseUrls, new_database
from tests.support.inside import Inside, a_house
from tests.support.outcomes import rest
from tests.support.processes import Installation, installed
from tests.support.siege import Siege, besieged, settings_of
from tests.support.worst_day import rows_of

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SERVED_WITHIN_S = 60


@pytest.fixture(scope="package")
async def installation(
    cluster: DatabaseUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """The processes of an installation: it goes with the last of those who attack it."""
    folder: Path = tmp_path_factory.mktemp("besieged")
    async with new_database(cluster, f"guilder_{worker_id}_besieged") as urls:
        with installed(urls, folder) as running:
            yield running


@pytest.fixture(scope="package")
async def siege(installation: Installation) -> AsyncIterator[Siege]:
    async with besieged(installation, starts_at=START) as siege:
        yield siege


@pytest.fixture
async def untouched(siege: Siege) -> AsyncIterator[Siege]:
    """The siege, of which nothing may come: not one row of either tenant changes, but for the record of who tried."""
    tenants = (siege.mine.tenant_id, siege.theirs.tenant_id)
    await asyncio.gather(rest(siege.mine), rest(siege.theirs))  # from what others have done meanwhile
    before = [await rows_of(siege.installation.urls, each) for each in tenants]
    assert all(sum(each != of["identity.sandbox_clocks"] for each in of.values()) > 20 for of in before)
    yield siege
    after = [await rows_of(siege.installation.urls, each) for each in tenants]
    changed = {name for old, new in zip(before, after, strict=True) for name in old if old[name] != new[name]}
    assert {name for name in changed if not name.startswith("audit.")} == set()


@pytest.fixture(scope="package")
async def inside(
    cluster: DatabaseUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Inside]:
    """A whole house in this process, with nobody at work in it: what is asked is taken in, and nothing follows."""
    folder: Path = tmp_path_factory.mktemp("inside")
    async with (
        new_database(cluster, f"guilder_{worker_id}_inside") as urls,
        a_house(Installation(urls, folder)) as inside,
    ):
        yield inside


@pytest.fixture(scope="package")
async def port(inside: Inside) -> AsyncIterator[int]:
    """Where the server listens as it is run, at the house's own address."""
    settings, stop = settings_of(inside.installation), asyncio.Event()
    served = asyncio.create_task(serving.serve(answering.api(inside.house), settings, stop))
    async with asyncio.timeout(SERVED_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", settings.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            break
    yield settings.port
    stop.set()
    await served
