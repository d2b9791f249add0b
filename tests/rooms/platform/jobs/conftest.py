"""A database with a toy room whose rows fall due."""

from collections.abc import AsyncIterator

import pytest

from tests.rooms.platform.ground import database_of, platform_database
from tests.rooms.platform.jobs.toys import SCHEMA, World
from tests.support.database import DatabaseUrls, connected


@pytest.fixture(scope="session")
async def jobs_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_jobs_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def world(jobs_urls: DatabaseUrls) -> AsyncIterator[World]:
    async with connected(jobs_urls.admin) as admin:
        await admin.execute(
            "delete from platform.job_failures; delete from platform.job_batches; delete from platform.job_looks; delete from platform.chores; delete from toy.subscriptions;"
            "delete from toy.bills; delete from toy.tenants; delete from toy.reminders; delete from toy.sandboxes; delete from toy.waiting"
        )
        async with database_of(jobs_urls) as database:
            yield World(database, admin)
