"""Master keys that only a KMS can unwrap: they lie wrapped in the database, and are unwrapped once, at the start.

So a backup of the database holds all that is needed but the KMS, and no copy of it opens without that.
"""

from collections.abc import Sequence
from typing import Protocol

import asyncpg

from guilder.platform.crypto import Key, new_key, new_key_id
from guilder.platform.db.database import APP_ROLE, connect_once
from guilder.platform.db.masters.sources import KeysUnreadable

_LOCK = 0x67756C6B6579  # so that of two processes that start on an empty table one makes the first key


class Kms(Protocol):
    """A service that wraps keys with one that never leaves it. `about` is bound to what is wrapped."""

    async def wrap(self, secret: bytes, *, about: str) -> bytes: ...

    async def unwrap(self, wrapped: bytes, *, about: str) -> bytes:
        """:raises KeysUnreadable: it cannot, or may not; the reason names the key and the setting"""
        ...


class Wrapped:
    """The ring in platform.master_keys, wrapped by a KMS; at the first start it makes its first key."""

    def __init__(self, kms: Kms, *, database_url: str) -> None:
        self._kms = kms
        self._url = database_url
        # Unwrapped once and kept: the KMS is asked again only for a key that is new.
        self._known: dict[bytes, Key] = {}

    async def load(self) -> list[Key]:
        connection = await connect_once(self._url)
        try:
            rows = await self._rows(connection)
            if not rows:
                await self._insert(connection, [new_key(new_key_id())], only_first=True)
                rows = await self._rows(connection)
        except asyncpg.UndefinedTableError as error:
            raise KeysUnreadable(
                "GUILDER_MASTER_KEY names a KMS, whose keys lie in the database: guilder migrate"
            ) from error
        finally:
            await connection.close()
        return [await self._key(row["id"], row["wrapped"]) for row in rows]

    async def store(self, keys: Sequence[Key]) -> None:
        connection = await connect_once(self._url)
        try:
            await self._insert(connection, keys)
        finally:
            await connection.close()

    async def _rows(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[asyncpg.Record]:
        async with connection.transaction():
            await connection.execute(f"set local role {APP_ROLE}")
            return await connection.fetch("select id, wrapped from platform.master_keys order by place")

    async def _insert(
        self, connection: "asyncpg.Connection[asyncpg.Record]", keys: Sequence[Key], *, only_first: bool = False
    ) -> None:
        wrapped = [await self._kms.wrap(key.secret, about=key.id) for key in keys]
        async with connection.transaction():
            await connection.execute(f"set local role {APP_ROLE}")
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            if only_first and await connection.fetchval("select count(*) from platform.master_keys"):
                return
            await connection.execute("delete from platform.master_keys")
            await connection.execute(
                """insert into platform.master_keys (id, place, wrapped)
                   select id, place, wrapped from unnest($1::text[], $2::bytea[]) with ordinality
                       as v (id, wrapped, place)""",
                [key.id for key in keys],
                wrapped,
            )

    async def _key(self, key_id: str, wrapped: bytes) -> Key:
        if wrapped not in self._known:
            self._known[wrapped] = Key(key_id, await self._kms.unwrap(wrapped, about=key_id))
        return self._known[wrapped]
