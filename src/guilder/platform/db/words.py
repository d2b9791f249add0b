"""Words that people write (notes, reasons, what a stranger's server answered) are sealed where they stand.

A sealed text is kept in the column it always had, as "sealed:1:" and base64; what stood there before it was sealed is
read as it is, and sealed by a walk over the table (`guilder master-keys seal`). So a release that knows nothing of it
keeps running beside this one, and shows the armour where the words were.

The subject is whom the words are about: a customer, with whom they are forgotten, or the tenant itself.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.platform.crypto import Tampered
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealed, Sealing, SubjectErased

ARMOUR: Final = "sealed:1:"


class Words(NamedTuple):
    """A text, plain or sealed; `field` is "schema.table.column"."""

    tenant_id: TenantId
    subject_id: UUID
    field: str
    text: str


class Column(NamedTuple):
    """A column of words, as the walk seals it that seals what was written before. SQL of the room whose table it is.

    `subject` is said of the table as `t`; `key` are its key's columns after tenant_id, all of them uuid unless cast.
    """

    table: str
    name: str
    subject: str
    where: str = "true"

    @property
    def field(self) -> str:
        return f"{self.table}.{self.name}"


async def seal_words(tx: Tx, words: Sequence[Words], *, now: datetime) -> list[str]:
    """Seal each text, in order; nothing stays nothing, and words about a subject that was erased are not kept."""
    said = [each for each in words if each.text]
    try:
        sealed = iter(await _sealed(tx, said, now))
    except SubjectErased:
        sealed = iter([await _sealed_unless_erased(tx, each, now) for each in said])
    return [next(sealed) if each.text else "" for each in words]


async def open_words(tx: Tx, words: Sequence[Words]) -> list[str]:
    """Open each text, in order: what was never sealed is as it is, what can no more be opened is nothing."""
    armoured = [each for each in words if each.text.startswith(ARMOUR)]
    opened = iter(
        await tx.vault.open_many(
            tx, [Sealed(each.tenant_id, each.subject_id, each.field, _bytes(each.text)) for each in armoured]
        )
    )
    return [(next(opened) or "") if each.text.startswith(ARMOUR) else each.text for each in words]


async def opened(
    tx: Tx, records: AsyncIterator[Portable], *, subject_id: UUID, column: Column
) -> AsyncIterator[Portable]:
    """Open the words in one column of records of a subject."""
    async for kind, record in records:
        words = Words(tx.tenant_id, subject_id, column.field, record[column.name] or "")
        [said] = await open_words(tx, [words])
        yield kind, record | {column.name: said}


async def seal_column(tx: Tx, column: Column, *, limit: int, now: datetime) -> int:
    """Seal words that stand in the clear in the transaction's tenants, up to `limit` rows; return how many were seen."""
    rows = await tx.fetch(
        f"""select t.ctid::text as place, t.tenant_id, {column.subject} as subject, t.{column.name} as said
              from {column.table} t
             where t.{column.name} <> '' and not starts_with(t.{column.name}, $1) and ({column.where})
             limit $2 for update of t""",  # noqa: S608  (our own names)
        ARMOUR,
        limit,
    )
    words = [Words(TenantId(row["tenant_id"]), row["subject"], column.field, row["said"]) for row in rows]
    await tx.execute(
        # By where the row lies: it is locked, so it lies there until the commit.
        f"""update {column.table} t set {column.name} = v.said
              from unnest($1::text[], $2::text[]) as v (place, said) where t.ctid = v.place::tid""",  # noqa: S608
        [row["place"] for row in rows],
        await seal_words(tx, words, now=now),
    )
    return len(rows)


async def _sealed(tx: Tx, words: Sequence[Words], now: datetime) -> list[str]:
    sealed = await tx.vault.seal_many(tx, [Sealing(*each) for each in words], now=now) if words else []
    return [ARMOUR + base64.b64encode(each).decode() for each in sealed]


async def _sealed_unless_erased(tx: Tx, words: Words, now: datetime) -> str:
    try:
        [sealed] = await _sealed(tx, [words], now)
    except SubjectErased:
        return ""
    return sealed


def _bytes(armoured: str) -> bytes:
    try:
        return base64.b64decode(armoured.removeprefix(ARMOUR), validate=True)
    except ValueError as error:
        raise Tampered("not what was sealed") from error
