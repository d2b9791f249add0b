"""What a process is here for, and how many connections to PostgreSQL that takes."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

import asyncpg

from guilder.platform import logging
from guilder.platform.config import Settings
from guilder.platform.db.database import GONE, Database

_log = logging.get(__name__)


class Role(StrEnum):
    """`up` is all of them in one process; a command is none of them, and is soon over."""

    UP = "up"
    SERVE = "serve"
    WORK = "work"
    SCHEDULE = "schedule"
    RELAY = "relay"
    COMMAND = "command"


# A pool's size where DATABASE_POOL_MAX does not say: requests in flight; batches of four shares, the sequencer and what
# is recorded of calls; jobs and sandboxes in motion.
POOL_MAX = {Role.UP: 20, Role.SERVE: 20, Role.WORK: 12, Role.SCHEDULE: 8, Role.RELAY: 4, Role.COMMAND: 20}
# Connections beside the pool, each its own and open as long as the process: those that listen (sequencer, consumer,
# runner; sandboxes; the relay; of who answers requests, to what has changed), the two of who gathers figures, and the one by which /ready is answered.
BESIDE = {
    Role.UP: 4 + 1 + 2 + 1,
    Role.SERVE: 1 + 1,
    Role.WORK: 3 + 1,
    Role.SCHEDULE: 1 + 2 + 1,
    Role.RELAY: 1 + 1,
    Role.COMMAND: 4,
}
READING = frozenset({Role.UP, Role.SERVE})

# Every process of this database is told by its name: its role, how many connections it may open, and which one it is.
_ASKED = """
with here as (
    select distinct on (application_name) application_name, split_part(application_name, ' ', 3)::int as budget
      from pg_stat_activity
     where datname = current_database() and application_name ~ '^guilder [a-z]+ [0-9]+ [0-9a-f]{8}$'
), others as (
    select count(*) as them from pg_stat_activity
     where datname is not null
       and (datname <> current_database() or coalesce(application_name, '') !~ '^guilder [a-z]+ [0-9]+ [0-9a-f]{8}$')
)
select coalesce((select sum(budget) from here), 0)::int as asked, (select them from others)::int as others,
       (select count(*) from here)::int as processes,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0) as holds"""

# Who answers requests beside whoever asks this, as PostgreSQL sees it: from the same address, lately, under the same login.
_ANSWERING = """
select exists (select from pg_stat_activity
                where datname = current_database() and usename = session_user and application_name like 'guilder serve %'
                  and client_addr is not distinct from inet_client_addr()
                  and state_change > clock_timestamp() - interval '500 milliseconds')"""


@dataclass(frozen=True, slots=True)
class Budget:
    """Connections of one process: in its pool to the primary, and beside it. A replica is another server."""

    role: Role
    pool_max: int
    beside: int
    is_pooled: bool

    @property
    def name(self) -> str:
        """Name the process to PostgreSQL; behind a pooler all are one, or it would have to say the name each time."""
        if self.is_pooled:
            return "guilder"
        return f"guilder {self.role.value} {self.pool_max + self.beside} {uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Connections:
    """What all processes together may open, beside what others have open now, and what the server holds."""

    asked: int
    processes: int
    others: int
    holds: int

    @property
    def are_short(self) -> bool:
        return self.asked + self.others > self.holds

    def __str__(self) -> str:
        return (
            f"{self.processes} processes may open {self.asked} connections, others have {self.others}, "
            f"and PostgreSQL holds {self.holds}: raise max_connections, lower DATABASE_POOL_MAX, or put a pooler in front"
        )


def budget_of(settings: Settings, role: Role) -> Budget:
    direct, url = settings.database_direct_url, settings.database_url
    return Budget(
        role=role,
        pool_max=settings.database_pool_max or POOL_MAX[role],
        beside=BESIDE[role],
        is_pooled=direct is not None and direct != url,
    )


async def connections(database: Database) -> Connections:
    async with database.pool.acquire() as connection, connection.transaction(readonly=True):
        row = await connection.fetchrow(_ASKED)
    assert row is not None
    return Connections(row["asked"], row["processes"], row["others"], row["holds"])


async def is_answering(database: Database) -> bool:
    """Say whether an API that shares this machine was at work within the last half second; behind a pooler nobody can say."""
    async with database.pool.acquire() as connection:
        return bool(await connection.fetchval(_ANSWERING))


async def warn_of_shortage(database: Database) -> Connections | None:
    """Say at the start when all that run could not have the connections that they may want; it is no reason to stop."""
    if database.is_pooled:
        return None
    try:
        found = await connections(database)
    except (*GONE, asyncpg.PostgresError):
        return None
    if found.are_short:
        _log.warning("connections_are_short", reason=str(found))
    return found
