"""The number comes last: whoever makes an invoice holds up the others of its series from there to the commit, no longer."""

import asyncio

import asyncpg
import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing import store
from guilder.domain.payments.model import Via
from guilder.platform.db.tx import Tx
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, an_invoice

TABLES = ("invoices", "lines", "billed_items", "series", "states")
# A second line, like one that is there, under another invoice.
LATE_LINE = """
insert into invoicing.lines (tenant_id, id, invoice_id, number, kind, description, quantity, amount_minor, tax_percent,
                             tax_minor, currency, billed_item, explanation)
select tenant_id, gen_random_uuid(), $1, 2, kind, description, quantity, amount_minor, tax_percent, tax_minor, currency,
       'late', explanation from invoicing.lines limit 1"""
# As a release before writes one: a draft, its line, and then its number.
DRAFT = """
insert into invoicing.invoices (tenant_id, id, customer_id, issuer_id, status, currency, subtotal_minor, tax_minor,
                                total_minor, taxes, parties, language, time_zone, issued_at, issued_on, due_at, metadata,
                                created_at)
select tenant_id, $1, customer_id, issuer_id, 'draft', currency, subtotal_minor, tax_minor, total_minor, taxes, parties,
       language, time_zone, issued_at, issued_on, due_at, metadata, created_at from invoicing.invoices limit 1"""
MADE_FINAL = """
update invoicing.invoices set sequence = 2, number = 'INV-2', status = 'open', content_sha256 = 'x', finalized_at = $2
 where id = $1"""


@pytest.fixture
async def begun(open_tx, customer):
    """The tenant has billed before: whoever is the first of all makes its key, and others wait for that."""
    async with open_tx() as tx:
        await an_invoice(tx, customer)


@pytest.fixture
def met(monkeypatch, begun):
    """Have two batches meet where each is about to take its numbers."""
    barrier = asyncio.Barrier(2)
    real = store.take_numbers
    arrived = set()

    async def take_numbers(tx, counts, *, kind):
        if tx.connection not in arrived:
            arrived.add(tx.connection)
            async with asyncio.timeout(20):
                await barrier.wait()
        return await real(tx, counts, kind=kind)

    monkeypatch.setattr(store, "take_numbers", take_numbers)


async def numbers(open_tx):
    async with open_tx() as tx:
        return [row[0] for row in await tx.fetch("select sequence from invoicing.invoices order by sequence")]


@pytest.mark.shows("I16")
@pytest.mark.parametrize("fails", [False, True])
async def test_two_batches_of_one_tenant_do_all_their_work_side_by_side(open_tx, met, fails):
    async def a_batch(*, keep=True):
        async with open_tx(keep=keep) as tx:
            drafts = [a_draft(await a_customer(tx)) for _ in range(5)]
            await invoicing.finalize(tx, drafts=drafts, via=Via.LINK, now=NOW)

    # Each holds all that it holds but its numbers when they meet: were it too much, they would never meet.
    await asyncio.gather(a_batch(), a_batch(keep=not fails))
    assert await numbers(open_tx) == list(range(1, 7 if fails else 12))


async def test_behind_the_number_lie_the_invoice_the_log_and_the_commit(open_tx, customer, counted):
    async with open_tx() as tx:
        await an_invoice(tx, customer)
        counted_to = len(counted)
    told = [" ".join(each.split())[:35] for each in counted]
    taken = next(n for n, each in enumerate(told) if each.startswith("insert into invoicing.series"))
    assert [each.split("(")[0].strip() for each in told[taken + 1 :]] == [
        "insert into invoicing.invoices",
        "insert into platform.log",
    ]
    assert taken < counted_to


async def test_who_numbers_at_the_commit_holds_nobody_up_before(open_tx, begun, customer):
    async with open_tx() as first:
        [(made, _)] = await invoicing.finalize_at_commit(first, drafts=[a_draft(customer)], via=Via.LINK, now=NOW)
        assert (made.number, made.status) == (None, "open")
        async with asyncio.timeout(20), open_tx() as second:
            other = await an_invoice(second, await a_customer(second))
    async with open_tx() as tx:
        numbered = await invoicing.one(tx, invoice=made.id)
        assert numbered.lines == made.lines
    assert (other.number, numbered.number) == ("INV-2026-00002", "INV-2026-00003")


async def test_a_rehearsal_of_one_that_is_numbered_at_the_commit_leaves_nothing(open_tx, customer):
    async with open_tx() as tx, tx.rehearsal():
        [(made, _)] = await invoicing.finalize_at_commit(tx, drafts=[a_draft(customer)], via=Via.LINK, now=NOW)
        await invoicing.number_now(tx)
        assert (await invoicing.one(tx, invoice=made.id)).number == "INV-2026-00001"
    assert await numbers(open_tx) == []
    async with open_tx() as tx:
        assert (await an_invoice(tx, customer)).number == "INV-2026-00001"


async def test_a_death_between_the_lines_and_the_invoice_leaves_nothing(open_tx, customer, database_urls, monkeypatch):
    async def dies(tx: Tx, *_: object, **__: object):
        assert await tx.fetchval("select count(*) from invoicing.lines") == 1
        process = await tx.fetchval("select pg_backend_pid()")
        admin = await asyncpg.connect(database_urls.admin)
        await admin.fetchval("select pg_terminate_backend($1, 5000)", process)
        await admin.close()
        return await tx.fetch("select 1")

    with monkeypatch.context() as patch:
        patch.setattr(store, "take_numbers", dies)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
            async with open_tx() as tx:
                await an_invoice(tx, customer)
    async with open_tx() as tx:
        assert [await tx.fetchval(f"select count(*) from invoicing.{each}") for each in TABLES] == [0] * len(TABLES)
        assert (await an_invoice(tx, customer)).number == "INV-2026-00001"


async def test_a_line_without_an_invoice_is_not_committed(open_tx, customer):
    async with open_tx() as tx:
        await an_invoice(tx, customer)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with open_tx() as tx:
            await tx.execute(LATE_LINE, customer.id)


async def test_no_line_is_slipped_under_an_invoice_that_another_makes_meanwhile(open_tx, customer):
    async with open_tx() as tx:
        await an_invoice(tx, customer)
    made = []

    async def slip_one_under():
        async with open_tx() as late, open_tx() as tx:
            made.append(await an_invoice(tx, customer))
            # Unseen as yet: neither the key nor a look at the invoice can refuse it here.
            await late.execute(LATE_LINE, made[0].id)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="takes no more lines"):
        await slip_one_under()
    async with open_tx() as tx:
        assert len((await invoicing.one(tx, invoice=made[0].id)).lines) == 1


async def test_not_even_its_maker_adds_a_line_to_what_is_final(open_tx, customer):
    async with open_tx(keep=False) as tx:
        made = await an_invoice(tx, customer)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="takes no more lines"):
            await tx.execute(LATE_LINE, made.id)


async def test_a_release_before_still_writes_a_draft_first(open_tx, customer):
    async with open_tx() as tx:
        await an_invoice(tx, customer)
    async with open_tx() as tx:
        await tx.execute(DRAFT, customer.id)
        await tx.execute(LATE_LINE, customer.id)
        await tx.execute(MADE_FINAL, customer.id, NOW)
    async with open_tx() as tx:
        states = await tx.fetch("select invoice_id, from_status, to_status from invoicing.states")
        lines = await tx.fetchval("select count(*) from invoicing.lines where invoice_id = $1", customer.id)
    assert ([tuple(each) for each in states], lines) == ([(customer.id, "draft", "open")], 1)
