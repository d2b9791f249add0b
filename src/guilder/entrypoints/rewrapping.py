"""Changing the master key while the house runs: a new one is known everywhere before it seals, and an old one is taken
out when nothing is sealed by it any more. Each step may be interrupted, by kill -9 too, and asked for again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.notifications import service as notifications
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import TenantId
from guilder.platform.crypto import Key, KeyRing, new_key, new_key_id
from guilder.platform.db import words
from guilder.platform.db.database import Database
from guilder.platform.db.masters import Source, census
from guilder.platform.db.tx import Tx
from guilder.platform.db.words import Column
from guilder.platform.http import idempotency
from guilder.wiring.words import WORDS

BATCH_MAX = 500
ACTOR = "keys"

Say = Callable[[str], None]
# Hashes again the rows behind this one; answers with the last one looked at, None at the end.
HashAgain = Callable[[Tx, UUID | None, int], Awaitable[UUID | None]]


class StillInUse(Conflict):
    """Something is still sealed by this key."""

    code = "master_key_in_use"


class NoSuchKey(Conflict):
    """There is no such master key."""

    code = "master_key_unknown"


async def add(source: Source, ring: KeyRing) -> Key:
    """Add a key that seals nothing yet: every process has to know it first.

    :raises Unchangeable: the keys are not a command's to change
    """
    key = new_key(new_key_id())
    keys = [*await source.load(), key]
    await source.store(keys)
    ring.adopt(keys)
    return key


async def promote(source: Source, ring: KeyRing, key_id: str) -> None:
    """Seal new data with this key from now on."""
    keys = await source.load()
    chosen = _named(keys, key_id)
    keys = [chosen, *(each for each in keys if each.id != key_id)]
    await source.store(keys)
    ring.adopt(keys)


async def retire(source: Source, database: Database, tenants: Sequence[TenantId], key_id: str) -> None:
    """Take a key out of the ring. What a backup holds under it opens only with a copy of the ring as it was.

    :raises StillInUse: it is the current one, or something is sealed by it
    """
    keys = await source.load()
    key, ring = _named(keys, key_id), database_ring(database)
    if keys[0].id == key_id:
        raise StillInUse(f"{key_id} seals new data: guilder master-keys rotate")
    ring.adopt(keys)
    await hash_again(database, tenants)
    under = {what: count for what, count in (await count_under(database, key)).items() if count}
    if under:
        said = ", ".join(f"{count:,} {what}" for what, count in under.items())
        raise StillInUse(f"{said} are still sealed by {key_id}: guilder master-keys rewrap")
    left = [each for each in keys if each.id != key_id]
    await source.store(left)
    ring.adopt(left)


async def count_under(database: Database, key: Key) -> dict[str, int]:
    """Count what a key has sealed, by what it is."""
    async with database.transaction(actor=ACTOR) as tx:
        return await census.count_under(tx, key)


async def rewrap(database: Database, tenants: Sequence[TenantId], *, say: Say) -> int:
    """Seal anew, by the current key, whatever an older one sealed; return how much. To be repeated until nothing is."""
    ring, done = database_ring(database), 0
    async with database.transaction(actor=ACTOR) as tx:
        todo = await census.tenants_not_under(tx, ring.current)
    for number, tenant_id in enumerate(todo, start=1):
        done += await _of_tenant(database, tenant_id)
        say(f"{number} of {len(todo)} tenants: {done:,} sealed anew by {ring.current.id}")
    await hash_again(database, tenants)
    say(f"what is searched by a keyed hash is hashed by {ring.current.id}")
    return done


async def seal_words(database: Database, tenants: Sequence[TenantId], *, now: datetime, say: Say) -> int:
    """Seal what people wrote before it was sealed; return how many texts. To be asked once, after the upgrade."""
    done = 0
    for tenant_id in tenants:
        for column in WORDS:
            while more := await _seal_batch(database, tenant_id, column, now):
                done += more
                say(f"{done:,} texts sealed, the last in {column.field}")
    return done


async def hash_again(database: Database, tenants: Sequence[TenantId]) -> None:
    """Hash by the current key what is searched by a keyed hash. Both hashes are found meanwhile."""
    rooms: tuple[HashAgain, ...] = (
        customers.hash_emails_again,
        identity.hash_emails_again,
        notifications.hash_bounces_again,
    )
    for tenant_id in tenants:
        for again in rooms:
            after: UUID | None = None
            while True:
                after = await _hash_batch(database, tenant_id, again, after)
                if after is None:
                    break


def database_ring(database: Database) -> KeyRing:
    assert database.vault is not None, "connected without a vault"
    return database.vault.ring


async def _hash_batch(database: Database, tenant_id: TenantId, again: HashAgain, after: UUID | None) -> UUID | None:
    return await database.run(lambda tx: again(tx, after, BATCH_MAX), [tenant_id], actor=ACTOR)


async def _seal_batch(database: Database, tenant_id: TenantId, column: Column, now: datetime) -> int:
    return await database.run(
        lambda tx: words.seal_column(tx, column, limit=BATCH_MAX, now=now), [tenant_id], actor=ACTOR
    )


async def _of_tenant(database: Database, tenant_id: TenantId) -> int:
    ring, done = database_ring(database), 0

    async def step(tx: Tx) -> int:
        keys = await tx.vault.rewrap(tx, limit=BATCH_MAX)
        return keys + await idempotency.reseal(tx, ring, limit=BATCH_MAX)

    while True:
        more = await database.run(step, [tenant_id], actor=ACTOR)
        done += more
        if not more:
            return done


def _named(keys: Sequence[Key], key_id: str) -> Key:
    for key in keys:
        if key.id == key_id:
            return key
    raise NoSuchKey(f"there is no master key {key_id!r}; there are {', '.join(each.id for each in keys)}")
