"""The database itself refuses what is not a balanced entry: so these tests write to it past the room."""

from uuid import uuid4

import asyncpg
import pytest

from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.kernel import ids
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.ledger import an_entry

REFUSED = asyncpg.IntegrityConstraintViolationError


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


@pytest.fixture
def open_tx(database, tenant):
    return lambda: database.transaction([tenant], actor="test")


async def insert_entry(tx, tenant, *, currency="EUR"):
    entry_id = ids.new(NOW)
    await tx.execute(
        """insert into ledger.entries (tenant_id, id, kind, source_type, source_id, currency, posted_at)
           values ($1, $2, 'k', 's', $2, $3, $4)""",
        tenant,
        entry_id,
        currency,
        NOW,
    )
    return entry_id


async def insert_postings(tx, tenant, entry_id, *postings, first=1):
    """Insert (amount, currency) postings in one statement."""
    await tx.execute(
        """insert into ledger.postings (tenant_id, entry_id, line, account, currency, amount_minor)
           select $1, $2, v.line, 'cash', v.currency, v.amount
           from unnest($3::smallint[], $4::text[], $5::bigint[]) as v (line, currency, amount)""",
        tenant,
        entry_id,
        list(range(first, first + len(postings))),
        [currency for _, currency in postings],
        [amount for amount, _ in postings],
    )


async def write(open_tx, tenant, *batches):
    """Write one entry whose postings come in several statements."""
    async with open_tx() as tx:
        entry_id = await insert_entry(tx, tenant)
        first = 1
        for batch in batches:
            await insert_postings(tx, tenant, entry_id, *batch, first=first)
            first += len(batch)


async def count(tx, table):
    return await tx.fetchval(f"select count(*) from ledger.{table}")


async def test_what_balances_is_booked_and_read_as_it_was_posted(open_tx, tenant):
    invoice = uuid4()
    entry = an_entry(
        tenant,
        postings=(
            Posting(Account.RECEIVABLE, 1_428, invoice),
            Posting(Account.REVENUE, -1_200),
            Posting(Account.TAX_PAYABLE, -228),
        ),
    )
    async with open_tx() as tx:
        await ledger.post(tx, entries=[entry, None])
    async with open_tx() as tx:
        assert await ledger.entries_about(tx, ref_id=invoice) == [entry]
        assert {each.account: each.amount_minor for each in await ledger.balances(tx)} == {
            Account.RECEIVABLE: 1_428,
            Account.REVENUE: -1_200,
            Account.TAX_PAYABLE: -228,
        }


async def test_one_tenant_sees_nothing_of_anothers_books(database, open_tx, tenant):
    other = (await new_tenant(database)).tenant_id
    async with database.transaction([other], actor="test") as tx:
        await ledger.post(tx, entries=[an_entry(other)])
    async with open_tx() as tx:
        assert await ledger.balances(tx) == []


@pytest.mark.shows("fault F5", "ASVS 2.2.3")
@pytest.mark.parametrize(
    ("postings", "why"),
    [
        ([(100, "EUR"), (-99, "EUR")], "balance"),
        ([(100, "EUR"), (-50, "EUR"), (-51, "EUR")], "balance"),
        ([(100, "EUR")], "balance"),
        ([(100, "EUR"), (-100, "USD")], "entrys_currency"),
        ([(100, "USD"), (-100, "USD")], "entrys_currency"),
    ],
)
async def test_the_database_refuses_what_does_not_balance_in_its_currency(open_tx, tenant, postings, why):
    with pytest.raises(REFUSED, match=why):
        async with open_tx() as tx:
            await insert_postings(tx, tenant, await insert_entry(tx, tenant), *postings)
    async with open_tx() as tx:
        assert await count(tx, "entries") == 0


async def test_the_database_refuses_a_side_of_nothing(open_tx, tenant):
    with pytest.raises(asyncpg.CheckViolationError):
        await write(open_tx, tenant, [(0, "EUR"), (0, "EUR")])


async def test_the_database_refuses_an_entry_that_comes_to_its_balance_by_and_by(open_tx, tenant):
    with pytest.raises(REFUSED, match="balance"):
        await write(open_tx, tenant, [(100, "EUR")], [(-100, "EUR")])


async def test_the_database_refuses_an_entry_without_postings_at_the_commit(open_tx, tenant):
    with pytest.raises(REFUSED, match="entries_are_booked"):
        async with open_tx() as tx:
            await insert_entry(tx, tenant)


async def test_the_database_refuses_more_postings_for_a_written_entry(open_tx, tenant):
    async with open_tx() as tx:
        entry_id = await insert_entry(tx, tenant)
        await insert_postings(tx, tenant, entry_id, (100, "EUR"), (-100, "EUR"))
    for first, why in ((3, "already written"), (1, "postings_pkey")):
        with pytest.raises(REFUSED, match=why):
            async with open_tx() as tx:
                await insert_postings(tx, tenant, entry_id, (7, "EUR"), (-7, "EUR"), first=first)


@pytest.mark.parametrize("table", ["entries", "postings"])
@pytest.mark.parametrize("change", ["update ledger.{} set currency = 'USD'", "delete from ledger.{}"])
async def test_nobody_changes_or_removes_what_is_written(open_tx, tenant, database_urls, table, change):
    async with open_tx() as tx:
        await ledger.post(tx, entries=[an_entry(tenant)])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with open_tx() as tx:
            await tx.execute(change.format(table))
    # Nor does whoever owns the tables, or the server.
    for url in (database_urls.owner, database_urls.admin):
        connection = await asyncpg.connect(url)
        try:
            for statement in (change.format(table), f"truncate ledger.{table} cascade"):
                with pytest.raises(REFUSED, match="never changed"):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_fact_told_again_is_booked_once(open_tx, tenant):
    entry = an_entry(tenant)
    async with open_tx() as tx:
        await ledger.post(tx, entries=[entry, an_entry(tenant)])
    async with open_tx() as tx:
        await ledger.post(tx, entries=[entry, an_entry(tenant), entry])
        assert (await count(tx, "entries"), await count(tx, "postings")) == (3, 6)


async def test_one_source_has_a_booking_of_each_kind(open_tx, tenant):
    entry = an_entry(tenant)
    back = tuple(Posting(each.account, -each.amount_minor, each.ref_id) for each in entry.postings)
    async with open_tx() as tx:
        await ledger.post(
            tx,
            entries=[entry, an_entry(tenant, kind="invoice_voided", source_id=entry.source_id, postings=back)],
        )
        assert {each.amount_minor for each in await ledger.balances(tx)} == {0}


async def test_a_batch_of_500_takes_two_statements(open_tx, tenant, monkeypatch):
    statements = []
    async with open_tx() as tx:
        for name in ("fetch", "send"):
            monkeypatch.setattr(Tx, name, _counted(getattr(Tx, name), statements))
        await ledger.post(tx, entries=[an_entry(tenant) for _ in range(500)])
        monkeypatch.undo()
        assert len(statements) == 2
        assert await count(tx, "postings") == 1_000


async def test_nothing_to_post_asks_nothing_of_the_database(open_tx, monkeypatch):
    statements = []
    async with open_tx() as tx:
        monkeypatch.setattr(Tx, "fetch", _counted(Tx.fetch, statements))
        await ledger.post(tx, entries=[None])
        monkeypatch.undo()
    assert statements == []


def test_an_unbalanced_entry_is_a_mistake_of_ours_before_it_reaches_the_database():
    with pytest.raises(AssertionError):
        JournalEntry(
            tenant_id=uuid4(),
            kind="k",
            source_type="s",
            source_id=uuid4(),
            customer_id=None,
            currency="EUR",
            posted_at=NOW,
            postings=(Posting(Account.CASH, 1), Posting(Account.FEES, 1)),
        )


def _counted(real, statements):
    async def counted(self, sql, *values):
        statements.append(sql)
        return await real(self, sql, *values)

    return counted
