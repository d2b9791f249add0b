"""The platform alone: a database with its tables and a toy room's, and none of the business."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from uuid import UUID

from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.database import DatabaseUrls, connected, new_database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Numbers below this are the platform's own migrations, as are later ones that say so.
ROOMS_BEGIN = "0010"


@asynccontextmanager
async def platform_database(cluster: DatabaseUrls, name: str, toys: str) -> AsyncIterator[DatabaseUrls]:
    async with new_database(cluster, name, migrated=False) as urls:
        folder = files("guilder.migrations")
        scripts = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
        async with connected(urls.owner) as owner:
            for script in scripts:
                if script < ROOMS_BEGIN or "_platform_" in script:
                    await owner.execute((folder / script).read_text())
            await owner.execute(toys)
        yield urls


@asynccontextmanager
async def database_of(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = await Database.connect(urls.app, size_max=12)
    try:
        yield database
    finally:
        await database.close()


class Clocks:
    """Tenants' clocks as a test sets them: one for all, but for those named in `own`."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.own: dict[TenantId, datetime] = {}

    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        wanted = frozenset(tenants)
        assert wanted <= tx.tenants, "a transaction must see the tenants whose clocks it asks for"
        alone = [ClockDomain(frozenset({each}), self.own[each]) for each in sorted(wanted & set(self.own))]
        shared = wanted - set(self.own)
        return [*alone, *([ClockDomain(frozenset(shared), self.now)] if shared else [])]

    def on_the_wall(self) -> datetime:
        return self.now


def a_tenant() -> TenantId:
    return TenantId(ids.new(NOW))


def some_ids(count: int) -> list[UUID]:
    return ids.new_many(NOW, count)
