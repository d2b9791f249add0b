"""The ledger's verbs."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.ledger import store
from guilder.domain.ledger.model import Balance, JournalEntry
from guilder.kernel import ids
from guilder.platform.db.tx import Tx


async def post(tx: Tx, *, entries: Sequence[JournalEntry | None]) -> None:
    """Write entries in the transaction of the facts that they record; a fact told again is booked once."""
    real = [entry for entry in entries if entry is not None]
    if real:
        await store.insert(tx, [(ids.new(entry.posted_at), entry) for entry in real])


async def balances(tx: Tx) -> list[Balance]:
    """Return the balance of every account and currency: the sum of its postings."""
    return await store.balances(tx)


async def entries_about(tx: Tx, *, ref_id: UUID) -> list[JournalEntry]:
    return await store.entries_about(tx, ref_id=ref_id)
