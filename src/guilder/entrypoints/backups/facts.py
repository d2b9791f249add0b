"""What a database says of itself before it is backed up or upgraded: versions, sizes, roles, how far its log is."""

from dataclasses import dataclass
from typing import Any

import asyncpg

from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.manifest import LogPosition
from guilder.platform.db.database import connect_once

_SERVER = """
select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
       current_database() as name, pg_database_size(current_database()) as bytes,
       r.rolsuper or r.rolreplication as may_replicate, r.rolsuper or r.rolbypassrls as sees_all, r.rolname as login
from pg_roles r where r.rolname = current_user"""

# Whom rows are shown to, and whose the tables are: a dump can only be restored where these roles are.
_ROLES = """
select distinct r.rolname::text from pg_roles r
where r.oid in (select unnest(polroles) from pg_policy)
   or r.oid in (select c.relowner from pg_class c join pg_policy p on p.polrelid = c.oid)
order by 1"""

# Tables of which this login would be shown a part only, if that: a dump without these rows is no backup.
_HIDDEN = """
select c.oid::regclass::text from pg_class c
where c.relrowsecurity
  and not exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive and p.polcmd in ('*', 'r')
                    and pg_get_expr(p.polqual, p.polrelid) = 'true'
                    and exists (select from unnest(p.polroles) as one (oid) where pg_has_role(one.oid, 'usage')))
union all
select p.polrelid::regclass::text from pg_policy p where not p.polpermissive
order by 1"""


@dataclass(frozen=True, slots=True)
class Facts:
    version: str
    major: int
    name: str
    bytes: int
    login: str
    may_replicate: bool
    sees_all: bool
    hidden: list[str]
    roles: list[str]
    schema: int
    log: LogPosition


async def of(url: str) -> Facts:
    """Ask a database what it is.

    :raises BackupTrouble: it has no tables of Guilder's
    """
    connection = await connect_once(url)
    try:
        if await connection.fetchval("select to_regclass('public.guilder_migrations')") is None:
            raise BackupTrouble("there are no tables of Guilder's in this database: there is nothing to back up")
        server = await connection.fetchrow(_SERVER)
        assert server is not None
        return Facts(
            version=server["version"],
            major=server["major"],
            name=server["name"],
            bytes=server["bytes"],
            login=server["login"],
            may_replicate=server["may_replicate"],
            sees_all=server["sees_all"],
            hidden=[] if server["sees_all"] else [row[0] for row in await connection.fetch(_HIDDEN)],
            roles=[row[0] for row in await connection.fetch(_ROLES)],
            schema=await connection.fetchval("select coalesce(max(number), 0) from public.guilder_migrations"),
            log=await log_of(connection),
        )
    finally:
        await connection.close()


async def log_of(connection: "asyncpg.Connection[Any]") -> LogPosition:
    row = await connection.fetchrow(
        """select (select epoch from platform.log_epoch) as epoch,
                  (select coalesce(sum(position), 0)::bigint from platform.log_heads) as positions"""
    )
    assert row is not None
    return LogPosition(epoch=row["epoch"], positions=row["positions"])
