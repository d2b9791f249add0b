"""One PostgreSQL a test run, one database a worker, empty again before every test that asks.

The process that runs pytest (under xdist: the one that starts the workers) starts the server and takes it down with
it, even by kill -9. The first to need a database migrates the template; all others are copies of that.
"""

import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from guilder.kernel.noun import replace
from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.db.migrate import migrate

ENVIRONMENT = "GUILDER_TEST_CLUSTER"
TEMPLATE = "guilder_template"
_LOCK = 20_001
_CLEAN_LOCK_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The addresses of one database, a role each."""

    name: str
    owner: str
    """guilder_owner: migrations, and looking behind row-level security's back is not for it either."""
    app: str
    """guilder_login, a member of guilder_app: what the product connects as."""
    doctor: str
    """guilder_doctor_login: reads every tenant, writes nothing."""
    admin: str
    """The superuser, for what a test must break or see whole."""


class TestCluster:
    """The server of this test run."""

    __test__ = False  # a tool, not a class of tests

    def __init__(self) -> None:
        # /tmp may be private to root, and the server runs as somebody else: the folder lets it through, no more.
        self._folder = Path(tempfile.mkdtemp(prefix="guilder-tests-"))
        self._folder.chmod(0o711)
        self._server = EmbeddedPostgres(self._folder / "postgres", durable=False)

    def start(self) -> DatabaseUrls:
        found = self._server.start()
        urls = DatabaseUrls("guilder", found.owner_url, found.app_url, found.doctor_url, self._server.admin_url())
        # Workers are started with this process's environment, and so find the server.
        os.environ[ENVIRONMENT] = json.dumps(asdict(urls))
        return urls

    def stop(self) -> None:
        os.environ.pop(ENVIRONMENT, None)
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def running_cluster() -> DatabaseUrls | None:
    said = os.environ.get(ENVIRONMENT)
    return DatabaseUrls(**json.loads(said)) if said else None


def named(cluster: DatabaseUrls, name: str) -> DatabaseUrls:
    """Return the addresses of another database of the same server."""
    owner, app, doctor, admin = (
        urlsplit(url)._replace(path=f"/{name}").geturl()
        for url in (cluster.owner, cluster.app, cluster.doctor, cluster.admin)
    )
    return DatabaseUrls(name, owner, app, doctor, admin)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def new_database(cluster: DatabaseUrls, name: str, *, migrated: bool = True) -> AsyncIterator[DatabaseUrls]:
    """Make a database of one's own for as long as the block runs: a copy of the template, or an empty one."""
    async with connected(cluster.admin) as admin:
        if migrated:
            await _prepare_template(admin, cluster)
        await admin.execute(f'drop database if exists "{name}" with (force)')
        source = f'template "{TEMPLATE}"' if migrated else ""
        await admin.execute(f'create database "{name}" {source} owner guilder_owner')
    try:
        yield named(cluster, name)
    finally:
        async with connected(cluster.admin) as admin:
            await admin.execute(f'drop database if exists "{name}" with (force)')


async def _prepare_template(admin: "asyncpg.Connection[Any]", cluster: DatabaseUrls) -> None:
    await admin.execute(f"select pg_advisory_lock({_LOCK})")
    try:
        if await admin.fetchval("select datistemplate from pg_database where datname = $1", TEMPLATE):
            return
        await admin.execute(f'drop database if exists "{TEMPLATE}" with (force)')
        await admin.execute(f'create database "{TEMPLATE}" owner guilder_owner')
        await migrate(named(cluster, TEMPLATE).owner, report=_silent)
        await admin.execute(f'alter database "{TEMPLATE}" with is_template true')
    finally:
        await admin.execute(f"select pg_advisory_unlock({_LOCK})")


class Cleaner:
    """Empties a database between tests, back to what the migrations left in it.

    Rows are deleted, not truncated: most tables are empty, and looking is a hundred times cheaper than truncating.
    Triggers, foreign keys and row-level security are off meanwhile, so that append-only tables are emptied too.
    Sequences go on.

    It is done before thousands of tests, so a connection of its own keeps what the server has learned of the tables:
    found out anew each time, that was nine tenths of the work.
    """

    def __init__(self, urls: DatabaseUrls) -> None:
        self._urls = replace(urls)
        self._seeds: dict[str, str] | None = None
        self._script = ""
        self._admin: asyncpg.Connection[Any] | None = None

    async def learn(self) -> None:
        """Remember what is in the database now as its clean state."""
        async with connected(self._urls.admin) as admin:
            tables = [row["name"] for row in await admin.fetch(_TABLES)]
            self._seeds = {}
            for name in tables:
                rows = await admin.fetchval(f"select jsonb_agg(to_jsonb(t))::text from {name} t")
                if rows is not None:
                    self._seeds[name] = rows
        deletes = "\n".join(f"if exists (select from {name}) then delete from {name}; end if;" for name in tables)
        self._script = f"""
            create function pg_temp.empty_all() returns void language plpgsql
            set session_replication_role = replica set lock_timeout = {_CLEAN_LOCK_TIMEOUT_MS}
            as $clean$ begin {deletes} end $clean$"""

    async def clean(self) -> None:
        assert self._seeds is not None, "learn() first"
        admin = await self._connection()
        async with admin.transaction():
            await admin.execute("select pg_temp.empty_all()")
            await admin.execute("set local session_replication_role = replica")
            for name, rows in self._seeds.items():
                await admin.execute(
                    f"insert into {name} overriding system value "
                    f"select * from jsonb_populate_recordset(null::{name}, $1::jsonb)",
                    rows,
                )

    async def close(self) -> None:
        if self._admin is not None:
            await self._admin.close()

    async def _connection(self) -> "asyncpg.Connection[Any]":
        if self._admin is None or self._admin.is_closed():
            self._admin = await asyncpg.connect(self._urls.admin, timeout=30)
            await self._admin.execute(self._script)
        return self._admin


_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  and c.oid is distinct from to_regclass('public.guilder_migrations')
order by 1"""


def _silent(_: str) -> None:
    pass
