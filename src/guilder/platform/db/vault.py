"""The vault: values sealed under a key of their subject's own, so that erasing the subject destroys one key.

A subject is a customer, a member of staff, or the tenant itself (gateway keys, webhook secrets: subject = tenant id).
The subject's key lies in platform.subject_keys, wrapped by a master key. Keys are never kept in memory between calls
(but those of subjects whose rows a transaction holds, and of tenants whose secrets it opened, as long as it lasts): a
destroyed key stops opening with the commit that destroyed it. (What a database backup still holds is another matter:
docs/operations names how long backups are kept.)
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.crypto import Key, KeyRing, about, blind, header, new_key, open_, seal

REWRAP_MAX = 1_000

# A tenant's own key, for who reads rows of tenants (named `t`) of which each has something sealed under it (`hold_own`).
OWN_KEY = """(select k.wrapped_key from platform.subject_keys k
               where k.tenant_id = t.tenant_id and k.subject_id = t.tenant_id) as own_key"""


class SubjectErased(Conflict):
    """This subject's data has been erased; nothing more can be kept about it."""

    code = "subject_erased"


class Sealing(NamedTuple):
    """A text to seal. `field` is "schema.table.column": the ciphertext opens only as that."""

    tenant_id: TenantId
    subject_id: UUID
    field: str
    plaintext: str


class Sealed(NamedTuple):
    """A ciphertext to open, with what it was sealed as."""

    tenant_id: TenantId
    subject_id: UUID
    field: str
    ciphertext: bytes


class Rows(Protocol):
    """What the vault needs of a transaction (a Tx; named here because a Tx carries a vault)."""

    keys: dict[Ref, Key | None]

    async def fetch(self, sql: str, *values: object) -> list[Any]: ...

    async def execute(self, sql: str, *values: object) -> int: ...


class Vault:
    """Seals and opens in batches; one is a batch of one. At most three statements however many the items."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    async def seal_many(self, tx: Rows, items: Sequence[Sealing], *, now: datetime) -> list[bytes]:
        """Seal each text, in order, making the keys of new subjects. `now` dates them.

        :raises SubjectErased: a subject's key was destroyed
        """
        sealed = await self.seal_where_kept(tx, items, now=now)
        if not all(sealed):
            raise SubjectErased
        return sealed

    async def seal_where_kept(self, tx: Rows, items: Sequence[Sealing], *, now: datetime) -> list[bytes]:
        """Seal each text as `seal_many` does, and nothing (b"") of a subject that was erased: for what arrives late."""
        keys = await self._keys_to_seal(tx, _subjects(items), now)
        return [_seal(keys.get(Ref(item.tenant_id, item.subject_id)), item) for item in items]

    async def open_many(self, tx: Rows, items: Sequence[Sealed]) -> list[str | None]:
        """Open each ciphertext, in order; None where the subject's key was destroyed or is not to be seen.

        :raises UnknownKey: the master key that wraps it is not in the ring
        :raises Tampered: it was changed, or sealed as another field, subject or tenant
        """
        keys = await self._find(tx, _subjects(items))
        return [_open(keys.get(Ref(item.tenant_id, item.subject_id)), item) for item in items]

    async def open_held(self, tx: Rows, items: Sequence[Sealed]) -> list[str | None]:
        """Open as `open_many` does, of subjects whose rows this transaction has locked, and keep their keys for it.

        Whoever destroys a subject's key locks its row first, and so waits for the commit: read again, it would be the same.
        """
        tx.keys |= await self._find(tx, _subjects(items))
        return await self.open_many(tx, items)

    def hold_own(self, tx: Rows, rows: Iterable[Any]) -> None:
        """Keep tenants' own keys, which came with their rows (`OWN_KEY`), for as long as this transaction lasts.

        They are asked for again to seal: what is sealed under a key that is destroyed meanwhile is as lost as what was
        sealed just before.
        """
        tx.keys |= self._unwrap((row["tenant_id"], row["tenant_id"], row["own_key"]) for row in rows if row["own_key"])

    async def blind_many(
        self, tx: Rows, tenant_id: TenantId, texts: Sequence[str], *, about: str, now: datetime | None
    ) -> list[bytes]:
        """Hash each text with the tenant's own key, which outlives every master key: for what nobody can hash again, since
        the text is known no more. Without `now` no key is made: where there is none, nothing was ever hashed, and [].
        """
        tenant = Ref(tenant_id, tenant_id)
        keys = await (self._find(tx, [tenant]) if now is None else self._keys_to_seal(tx, [tenant], now))
        key = keys.get(tenant)
        return [blind(key, text, about=about) for text in texts] if key else []

    async def destroy(self, tx: Rows, refs: Sequence[Ref], *, now: datetime) -> None:
        """Destroy subjects' keys for good; nothing of theirs opens again, and nothing more can be sealed for them."""
        tx.keys = {ref: key for ref, key in tx.keys.items() if ref not in refs}
        await tx.execute(
            # A subject never sealed for is marked too, so that late data about it is refused.
            """insert into platform.subject_keys as k (tenant_id, subject_id, wrapped_key, created_at, destroyed_at)
               select tenant_id, subject_id, null, $3, $3
                 from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_id, subject_id)
                order by tenant_id, subject_id
               on conflict (tenant_id, subject_id) do update
                  set wrapped_key = null, destroyed_at = coalesce(k.destroyed_at, excluded.destroyed_at)""",
            *_columns(dict.fromkeys(refs)),
            now,
        )

    async def rewrap(self, tx: Rows, *, limit: int = REWRAP_MAX) -> int:
        """Wrap keys of the transaction's tenants anew with the current master key; return how many. Repeat until 0."""
        rows = await tx.fetch(
            """select tenant_id, subject_id, wrapped_key from platform.subject_keys
                where wrapped_key is not null and substr(wrapped_key, 1, length($1::bytea)) <> $1
                order by tenant_id, subject_id limit $2 for update""",
            header(self.ring.current),
            limit,
        )
        keys = self._unwrap(rows)
        await tx.execute(
            """update platform.subject_keys k set wrapped_key = fresh.wrapped_key
                 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as fresh (tenant_id, subject_id, wrapped_key)
                where (k.tenant_id, k.subject_id) = (fresh.tenant_id, fresh.subject_id)""",
            *_columns(keys),
            [self._wrap(ref, key) for ref, key in keys.items() if key],
        )
        return len(rows)

    async def _keys_to_seal(self, tx: Rows, refs: Sequence[Ref], now: datetime) -> dict[Ref, Key | None]:
        found = await self._find(tx, refs)
        if missing := [ref for ref in refs if ref not in found]:
            found |= await self._make(tx, missing, now)
        # Another transaction made some of them meanwhile: our insert waited for it, and only a new statement sees it.
        if missing := [ref for ref in refs if ref not in found]:
            found |= await self._find(tx, missing)
        return found

    async def _find(self, tx: Rows, refs: Sequence[Ref]) -> dict[Ref, Key | None]:
        kept = {ref: tx.keys[ref] for ref in refs if ref in tx.keys}
        wanted = [ref for ref in refs if ref not in kept]
        if not wanted:
            return kept
        rows = await tx.fetch(
            """select k.tenant_id, k.subject_id, k.wrapped_key
                 from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_id, subject_id)
                 join platform.subject_keys k using (tenant_id, subject_id)""",
            *_columns(wanted),
        )
        return kept | self._unwrap(rows)

    async def _make(self, tx: Rows, refs: Sequence[Ref], now: datetime) -> dict[Ref, Key | None]:
        rows = await tx.fetch(
            # In order, so that two batches that make the same keys wait for each other and never clash.
            """insert into platform.subject_keys (tenant_id, subject_id, wrapped_key, created_at)
               select tenant_id, subject_id, wrapped_key, $4
                 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as fresh (tenant_id, subject_id, wrapped_key)
                order by tenant_id, subject_id
               on conflict (tenant_id, subject_id) do nothing
               returning tenant_id, subject_id, wrapped_key""",
            *_columns(refs),
            [self._wrap(ref, new_key()) for ref in refs],
            now,
        )
        return self._unwrap(rows)

    def _wrap(self, ref: Ref, key: Key) -> bytes:
        return seal(self.ring, key.secret, about=_about_key(ref))

    def _unwrap(self, rows: Iterable[Any]) -> dict[Ref, Key | None]:
        keys: dict[Ref, Key | None] = {}
        for tenant_id, subject_id, wrapped in rows:
            ref = Ref(tenant_id, subject_id)
            keys[ref] = Key("", open_(self.ring, wrapped, about=_about_key(ref))) if wrapped else None
        return keys


def _seal(key: Key | None, item: Sealing) -> bytes:
    return seal(key, item.plaintext.encode(), about=_about_value(item)) if key else b""


def _open(key: Key | None, item: Sealed) -> str | None:
    return open_(key, item.ciphertext, about=_about_value(item)).decode() if key else None


def _about_value(item: Sealing | Sealed) -> bytes:
    return about("value", item.tenant_id, item.field, item.subject_id)


def _about_key(ref: Ref) -> bytes:
    return about("key", ref.tenant_id, "platform.subject_keys.wrapped_key", ref.id)


def _subjects(items: Sequence[Sealing] | Sequence[Sealed]) -> list[Ref]:
    return list(dict.fromkeys(Ref(item.tenant_id, item.subject_id) for item in items))


def _columns(refs: Iterable[Ref]) -> tuple[list[TenantId], list[UUID]]:
    listed = list(refs)
    return [ref.tenant_id for ref in listed], [ref.id for ref in listed]
