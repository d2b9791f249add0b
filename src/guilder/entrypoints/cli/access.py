"""How a command reaches the database: as the application, for one tenant; or as the doctor, who reads everything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, TypeVar

import asyncpg
import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Tenant
from guilder.entrypoints.cli.speaking import Trouble, progress
from guilder.entrypoints.databases import database_of, reachable
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.platform.config import Settings, read_settings
from guilder.platform.db.database import Database, connect_once
from guilder.platform.db.migrate import lacking
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Vault
from guilder.wiring.ports import DEFAULT_TENANT, open_keys

T = TypeVar("T")

ACTOR = "cli"
CONNECTIONS_MAX = 4

TenantOption = Annotated[
    str, typer.Option("--tenant", "-t", help="The tenant: its short name or its id (ten_…).", show_default=True)
]


class Office:
    """The database as a command works on it, with the clock on the wall."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.clock = WallClock()
        self._clocks = identity.Clocks(self.clock)

    async def find(self, name: str) -> Tenant:
        """Find a tenant by its short name or its id.

        :raises Trouble: there is none
        """
        async with self.database.transaction(actor=ACTOR) as tx:
            by_id = ids.from_text("ten", name)
            tenant_id = TenantId(by_id) if by_id else await identity.find_by_slug(tx, slug=name)
            if tenant_id is not None:
                await tx.narrow({tenant_id})
                found = await identity.tenants(tx, ids=[tenant_id])
                if found:
                    return found[tenant_id]
        raise Trouble(f"there is no tenant {name!r}; `guilder tenant list` shows those that are there")

    async def of(self, tenant: Tenant, work: Callable[[Tx, datetime], Awaitable[T]]) -> T:
        """Run `work` in a transaction of a tenant, with that tenant's present."""

        async def do(tx: Tx) -> T:
            (domain,) = await self._clocks.domains(tx, [tenant.tenant_id])
            return await work(tx, domain.now)

        return await self.database.run(do, [tenant.tenant_id], actor=ACTOR)

    async def every_tenant(self) -> list[Tenant]:
        async with self.as_doctor() as tx:
            return await identity.visible(tx)

    @asynccontextmanager
    async def as_doctor(self) -> AsyncIterator[Tx]:
        """Open a transaction that sees every tenant, and can change nothing.

        :raises Trouble: none of the logins that the settings name is the doctor's
        """
        urls = (self.settings.database_doctor_url, self.settings.database_owner_url, self.settings.database_url)
        url = next(each for each in urls if each)
        connection = await connect_once(url.get_secret_value(), only_reads=True)
        try:
            async with connection.transaction(readonly=True):
                await _become_doctor(connection)
                yield Tx(connection, frozenset(), ACTOR)
        finally:
            await connection.close()


async def _become_doctor(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await connection.execute("set local role guilder_doctor")
    except asyncpg.InsufficientPrivilegeError:
        raise Trouble(
            "looking at every tenant needs the read-only role: set DATABASE_DOCTOR_URL to a login of guilder_doctor"
        ) from None


def settings_with_database() -> Settings:
    """Read the settings of a process that joins others.

    :raises Trouble: they name no PostgreSQL, and none of this data folder runs
    """
    settings = reachable(read_settings())
    if settings is None:
        raise Trouble("this needs a PostgreSQL: set DATABASE_URL, or run everything together with `guilder up`")
    return settings


def at_work(work: Callable[[Office], Awaitable[T]]) -> T:
    """Run `work` on the database that the settings name, that runs already, or that is started for as long as it lasts.

    :raises Trouble: the tables are not there yet
    """
    with database_of(read_settings(), progress=progress) as found:
        return asyncio.run(_open(found, work))


async def _open(settings: Settings, work: Callable[[Office], Awaitable[T]]) -> T:
    async with office(settings) as opened:
        return await work(opened)


@asynccontextmanager
async def office(settings: Settings) -> AsyncIterator[Office]:
    assert settings.database_url is not None
    database = await Database.connect(
        settings.database_url.get_secret_value(), size_max=CONNECTIONS_MAX, vault=Vault(await open_keys(settings))
    )
    try:
        await refuse_unmigrated(database)
        yield Office(settings, database)
    finally:
        await database.close()


async def refuse_unmigrated(database: Database) -> None:
    async with database.pool.acquire() as connection, connection.transaction(readonly=True):
        missing = await lacking(connection)
    if missing:
        raise Trouble(f"the database lacks {len(missing)} migrations, {missing[0]} first; apply them: guilder migrate")


def names(tenants: Sequence[Tenant]) -> str:
    return ", ".join(tenant.slug for tenant in tenants)


DEFAULT = DEFAULT_TENANT
