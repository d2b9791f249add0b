"""Holding: from its first row to the quarantine of its gateways nobody writes to a restored database but who restores it.

A worker that was only waiting for its tables would take up what the backup knew as due, and charge it a second time. So
the database itself says that transactions only read, unless a connection says otherwise; it outlives whoever said it, and
a restore that was interrupted leaves a database that charges nobody: `guilder restore --finish` settles it and lets it go.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pydantic import SecretStr

from guilder.entrypoints.backups.programs import Say
from guilder.platform.config import Settings
from guilder.platform.db.database import connect_once

SETTING = "default_transaction_read_only"
OPTIONS = f"-c {SETTING}=off"


async def hold(url: str, *, say: Say) -> None:
    """Have every new connection read only. What holds it off already is no trouble; a login that may not say it is told."""
    async with _connected(url) as connection:
        try:
            await connection.execute(f"alter database {await _name(connection)} set {SETTING} = on")
        except asyncpg.InsufficientPrivilegeError:
            say("the database cannot be held: this login does not own it. Let no process start until this is done")


async def let_go(url: str) -> None:
    async with _connected(url) as connection:
        if await _is_held(connection):
            await connection.execute(f"alter database {await _name(connection)} reset {SETTING}")


async def writing(settings: Settings) -> Settings:
    """Return addresses that may write, if the database is held; past a pooler, which does not know what is said so."""
    async with _connected(login(settings)) as connection:
        if not await _is_held(connection):
            return settings
    own = settings.database_direct_url or settings.database_url
    assert own is not None
    return settings.model_copy(
        update={"database_url": _writing(own.get_secret_value()), "database_owner_url": _writing(login(settings))}
    )


def login(settings: Settings) -> str:
    """Return the address of whoever may change the database itself, past a pooler if one stands in front."""
    found = settings.database_owner_url or settings.database_direct_url or settings.database_url
    assert found is not None
    return found.get_secret_value()


def _writing(url: str) -> SecretStr:
    return SecretStr(f"{url}{'&' if '?' in url else '?'}{SETTING}=off")


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    connection = await connect_once(url, server_settings={SETTING: "off"})
    try:
        yield connection
    finally:
        await connection.close()


async def _name(connection: "asyncpg.Connection[Any]") -> str:
    return str(await connection.fetchval("select quote_ident(current_database())"))


async def _is_held(connection: "asyncpg.Connection[Any]") -> bool:
    return bool(
        await connection.fetchval(
            """select exists (select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
                               where d.datname = current_database() and s.setrole = 0 and $1 = any (s.setconfig))""",
            f"{SETTING}=on",
        )
    )
