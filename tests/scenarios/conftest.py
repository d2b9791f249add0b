"""A sandbox of its own for each scenario, in the one installation of real processes that a worker has.

A module whose stories are to be told in the spread-out form too has an `installation` of its own, of two forms:

    installation = in_both_forms()
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import DatabaseUrls, new_database
from tests.support.doctor import assert_healthy
from tests.support.processes import Installation, installed
from tests.support.providers import Providers, with_providers
from tests.support.spread import SpreadOut, spread_out
from tests.support.taking_part import assert_all_took_part
from tests.support.world import World, a_world

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SPREAD = (pytest.mark.needs_kafka, pytest.mark.needs_redis, pytest.mark.needs_nginx, pytest.mark.timeout(300))


def in_both_forms(*of_spread: pytest.MarkDecorator) -> Any:
    """Return a fixture: the installation that all share, and one spread out; that with further marks, if any."""
    forms = ["together", pytest.param("spread", marks=[*SPREAD, *of_spread])]

    @pytest.fixture(scope="module", params=forms)
    def installation(request: pytest.FixtureRequest) -> Installation:
        found: Installation = request.getfixturevalue(request.param)
        return found

    return installation


@pytest.fixture(scope="package")
async def together(
    cluster: DatabaseUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One installation of real processes for every story of a worker; it goes with the last of them."""
    folder: Path = tmp_path_factory.mktemp("installation")
    # A database of its own: its processes would do the work that tests of rooms wait for, and theirs is emptied.
    async with new_database(cluster, f"guilder_{worker_id}_installation") as urls:
        with installed(urls, folder, workers=1, schedulers=2) as running:
            yield running


@pytest.fixture(scope="package")
def installation(together: Installation) -> Installation:
    return together


@pytest.fixture(scope="module")
async def spread(cluster: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SpreadOut]:
    """Everything spread out. Stories read what they have just brought about, so the replica is never behind here."""
    async with spread_out(cluster, tmp_path_factory.mktemp("spread"), replica="never behind") as running:
        yield running
        await assert_all_took_part(running)


@pytest.fixture(scope="package")
async def providers(
    cluster: DatabaseUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Providers]:
    """An installation whose Stripe and PayPal are the fakes."""
    folder: Path = tmp_path_factory.mktemp("providers")
    async with new_database(cluster, f"guilder_{worker_id}_providers") as urls, with_providers(urls, folder) as found:
        yield found


@pytest.fixture
async def world(installation: Installation) -> AsyncIterator[World]:
    """A sandbox whose clock starts on 31 January 2026 at noon; when the story is over, doctor looks at everything."""
    async with a_world(installation, starts_at=START) as world:
        yield world
        await assert_healthy(installation, tenant_id=world.tenant_id)
