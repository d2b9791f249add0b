"""The ledger's SQL."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.ledger.model import Account, Balance, JournalEntry, Posting
from guilder.kernel.ids import TenantId
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_ENTRY = Columns(
    {
        "tenant_id": "uuid",
        "id": "uuid",
        "kind": "text",
        "source_type": "text",
        "source_id": "uuid",
        "customer_id": "uuid",
        "currency": "text",
        "posted_at": "timestamptz",
    }
)
_POSTING = Columns(
    {
        "tenant_id": "uuid",
        "entry_id": "uuid",
        "line": "smallint",
        "account": "text",
        "ref_id": "uuid",
        "currency": "text",
        "amount_minor": "bigint",
    }
)
# An entry that is there already is the same fact told again: it keeps its postings, and these are left out with it.
_INSERT = f"""insert into ledger.entries ({_ENTRY.names}) select {_ENTRY.names} from {_ENTRY.table}
    on conflict (tenant_id, kind, source_type, source_id) do nothing returning tenant_id, id"""
_INSERT_POSTINGS = f"insert into ledger.postings ({_POSTING.names}) select {_POSTING.names} from {_POSTING.table}"


async def insert(tx: Tx, entries: Sequence[tuple[UUID, JournalEntry]]) -> None:
    """Write entries and their postings, one statement each."""
    rows = await tx.fetch(
        _INSERT,
        *_ENTRY.sent(
            [entry.tenant_id for _, entry in entries],
            [entry_id for entry_id, _ in entries],
            [entry.kind for _, entry in entries],
            [entry.source_type for _, entry in entries],
            [entry.source_id for _, entry in entries],
            [entry.customer_id for _, entry in entries],
            [entry.currency for _, entry in entries],
            [entry.posted_at for _, entry in entries],
        ),
    )
    new = {row["id"] for row in rows}
    await _insert_postings(tx, [(entry_id, entry) for entry_id, entry in entries if entry_id in new])


async def _insert_postings(tx: Tx, entries: Sequence[tuple[UUID, JournalEntry]]) -> None:
    flat = [(i, entry, n, posting) for i, entry in entries for n, posting in enumerate(entry.postings, start=1)]
    if not flat:
        return
    await tx.send(
        _INSERT_POSTINGS,
        *_POSTING.sent(
            [entry.tenant_id for _, entry, _, _ in flat],
            [entry_id for entry_id, _, _, _ in flat],
            [line for _, _, line, _ in flat],
            [posting.account.value for _, _, _, posting in flat],
            [posting.ref_id for _, _, _, posting in flat],
            [entry.currency for _, entry, _, _ in flat],
            [posting.amount_minor for _, _, _, posting in flat],
        ),
    )


async def balances(tx: Tx) -> list[Balance]:
    rows = await tx.fetch(
        """select tenant_id, account, currency, sum(amount_minor)::bigint as amount_minor
           from ledger.postings group by tenant_id, account, currency order by account, currency"""
    )
    return [
        Balance(
            tenant_id=TenantId(row["tenant_id"]),
            account=Account(row["account"]),
            currency=row["currency"],
            amount_minor=row["amount_minor"],
        )
        for row in rows
    ]


async def entries_about(tx: Tx, *, ref_id: UUID) -> list[JournalEntry]:
    """Read every entry with a posting about this invoice, payment account, customer or refund; oldest first."""
    rows = await tx.fetch(
        """select e.tenant_id, e.id, e.kind, e.source_type, e.source_id, e.customer_id, e.currency, e.posted_at,
                  array_agg(p.account order by p.line) as accounts,
                  array_agg(p.ref_id order by p.line) as refs,
                  array_agg(p.amount_minor order by p.line) as amounts
           from ledger.entries e
           join ledger.postings p on p.tenant_id = e.tenant_id and p.entry_id = e.id
           where exists (select from ledger.postings q
                         where q.tenant_id = e.tenant_id and q.entry_id = e.id and q.ref_id = $1)
           group by e.tenant_id, e.id order by e.posted_at, e.id""",
        ref_id,
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> JournalEntry:
    sides = zip(row["accounts"], row["amounts"], row["refs"], strict=True)
    return JournalEntry(
        tenant_id=TenantId(row["tenant_id"]),
        kind=row["kind"],
        source_type=row["source_type"],
        source_id=row["source_id"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        posted_at=row["posted_at"],
        postings=tuple(Posting(Account(account), amount, ref) for account, amount, ref in sides),
    )
