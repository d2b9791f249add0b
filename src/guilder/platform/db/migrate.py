"""The migration runner: one page, plain SQL files, one linear history.

A file is NNNN_name.sql. It runs in one transaction together with the row that says it ran, so it has happened whole
or not at all. Each must let the previous release keep running, and no file changes once it has been released.

One that takes away what older code reads or writes says so in a line of its own: `-- needs code: 0057` is code whose
newest migration is 0057 or later. It is kept beside the database's history, so that older code, which does not have the
file, refuses to start; a release before that is not named keeps running, and stays ready, while the next one is rolled out.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from guilder.kernel.errors import Foreseen
from guilder.platform.db.database import connect_once

FOLDER = Path(__file__).parents[2] / "migrations"
# A migration waits this long for a busy table, then lets the traffic behind it pass and tries again.
LOCK_TIMEOUT_MS = 5_000
TRIES_MAX = 5
WAIT_S = 1.0
_LOCK = 0x6775696C646572  # "guilder"

_NEEDS = re.compile(r"^-- needs code: (\d{4})$", re.MULTILINE)

_HISTORY = """
create table if not exists public.guilder_migrations (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    needs integer not null default 0
)"""
_HAS_NEEDS = """select exists (select from information_schema.columns where table_schema = 'public'
                   and table_name = 'guilder_migrations' and column_name = 'needs')"""
# A history that only older releases have written says nothing of it.
_NEEDED = """select number, name, (to_jsonb(m) ->> 'needs')::int as needs from public.guilder_migrations m
              where number > $1 and coalesce((to_jsonb(m) ->> 'needs')::int, 0) > $1 order by number limit 1"""


class MigrationError(Foreseen):
    """The database cannot be brought to this version of the code; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def needs(self) -> int:
        """Return the number of the newest migration that code must know at least to run on the database after this."""
        said = _NEEDS.search(self.sql)
        return int(said[1]) if said else 0

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


async def migrate(url: str, *, report: Callable[[str], None], folder: Path = FOLDER) -> list[str]:
    """Apply what has not been applied yet, in order, and return the names of what was. Safe to run twice at once.

    `url` is the owner's, direct: a pooler in transaction mode would lose the advisory lock.

    :raises MigrationError: the history of the database and of the code do not fit, or a file failed
    """
    files = read(folder)
    async with _connected(url) as connection:
        await connection.execute(f"set lock_timeout = {LOCK_TIMEOUT_MS}; set statement_timeout = 0")
        await _lock(connection, report)
        await connection.execute(_HISTORY)
        if not await connection.fetchval(_HAS_NEEDS):
            await connection.execute("alter table public.guilder_migrations add needs integer not null default 0")
        # Whoever is asked whether it is ready may look; there is nothing in it to hide.
        await connection.execute("grant select on public.guilder_migrations to public")
        todo = _compare(files, await _history(connection))
        for migration in todo:
            await _apply(connection, migration, report)
            report(f"applied {migration}")
        return [str(migration) for migration in todo]


async def pending(
    where: "str | asyncpg.Connection[Any] | PoolConnectionProxy[Any]", *, folder: Path = FOLDER
) -> list[str]:
    """Return the names of the migrations that this code has and the database has not.

    :raises MigrationError: the database is newer than the code, or a file was changed after it was applied
    """
    files = read(folder)
    if isinstance(where, str):
        async with _connected(where) as connection:
            done = await _history(connection)
    else:
        done = await _history(where)
    return [str(migration) for migration in _compare(files, done)]


async def lacking(
    connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]", *, folder: Path = FOLDER
) -> list[str]:
    """Return the names of the migrations that this code needs to run and the database does not have.

    A newer database is none of its business, unless what it has been made to says that such old code cannot run on it.

    :raises MigrationError: it says so, or a file was changed after it was applied
    """
    files = read(folder)
    newest = files[-1].number if files else 0
    done = await _history(connection)
    if any(number > newest for number in done):
        refusing = await connection.fetchrow(_NEEDED, newest)
        if refusing is not None:
            raise MigrationError(
                f"The database is newer than this code: its migration {refusing['number']:04d}_{refusing['name']} needs code "
                f"of migration {refusing['needs']:04d} or later, and this is of {newest:04d}; install a newer release."
            )
    return [str(each) for each in _compare(files, {number: what for number, what in done.items() if number <= newest})]


def read(folder: Path) -> list[Migration]:
    """Read the files of a folder in order.

    :raises MigrationError: a name is not NNNN_name.sql, or two have one number
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not a migration's name; it has to look like 0042_what_it_does.sql.")
        migration = Migration(int(match[1]), match[2], path.read_text())
        if migration.number in found:
            raise MigrationError(f"{found[migration.number]} and {migration} have the same number; renumber the later.")
        found[migration.number] = migration
    return list(found.values())


def _compare(files: list[Migration], done: dict[int, tuple[str, str]]) -> list[Migration]:
    known = {migration.number: migration for migration in files}
    for number, (name, sha256) in sorted(done.items()):
        if number not in known:
            raise MigrationError(
                f"The database is newer than this code: it has migration {number:04d}_{name}; "
                "install the release that brought it, or restore a backup from before."
            )
        if known[number].sha256 != sha256:
            raise MigrationError(
                f"Migration {known[number]} has been changed since it was applied to this database; "
                "put the file back as it was, and write the change as a new migration."
            )
    todo = [migration for migration in files if migration.number not in done]
    if todo and done and todo[0].number < max(done):
        raise MigrationError(
            f"Migration {todo[0]} comes before {max(done):04d}, which this database has already; "
            "give it a number after the newest."
        )
    return todo


async def _history(connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]") -> dict[int, tuple[str, str]]:
    if await connection.fetchval("select to_regclass('public.guilder_migrations')") is None:
        return {}
    rows = await connection.fetch("select number, name, sha256 from public.guilder_migrations")
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


async def _lock(connection: "asyncpg.Connection[Any]", report: Callable[[str], None]) -> None:
    is_told = False
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        if not is_told:
            report("waiting for another migration to end")
        is_told = True
        await asyncio.sleep(WAIT_S)


async def _apply(connection: "asyncpg.Connection[Any]", migration: Migration, report: Callable[[str], None]) -> None:
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into public.guilder_migrations (number, name, sha256, needs) values ($1, $2, $3, $4)",
                    migration.number,
                    migration.name,
                    migration.sha256,
                    migration.needs,
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == TRIES_MAX:
                raise MigrationError(
                    f"Migration {migration} found its tables busy {TRIES_MAX} times; "
                    "run it again when there is less traffic."
                ) from error
            report(f"{migration} waits for a busy table")
            await asyncio.sleep(WAIT_S)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"Migration {migration} failed and changed nothing: {error}") from error
        else:
            return


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await connect_once(url, timeout_s=30)
    try:
        yield connection
    finally:
        await connection.close()
