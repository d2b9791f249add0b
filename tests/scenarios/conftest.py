"""One installation of real processes for the scenarios of a worker, and a sandbox of its own for each."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.database import DatabaseUrls
from tests.support.doctor import assert_healthy
from tests.support.processes import Installation, installed
from tests.support.world import World, a_world

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def installation(database_urls: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("installation")
    with installed(database_urls, folder, workers=1, schedulers=2) as running:
        yield running


@pytest.fixture
async def world(installation: Installation) -> AsyncIterator[World]:
    """A sandbox whose clock starts on 31 January 2026 at noon; when the story is over, doctor looks at everything."""
    async with a_world(installation, starts_at=START) as world:
        yield world
        await assert_healthy(installation, tenant_id=world.tenant_id)
