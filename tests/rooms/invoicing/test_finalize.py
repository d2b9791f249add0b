import asyncio
import random
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import InvoiceKind, LineKind, Status
from guilder.domain.invoicing.rules import numbering
from guilder.domain.invoicing.service import AlreadyBilled
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Period
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.invoicing import a_draft, a_line, an_invoice

ORDER = UUID(int=7)
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def names(tx):
    return [each.event.name for each in tx.outbox if each.event.name.startswith("invoicing.")]


async def numbers(open_tx):
    async with open_tx() as tx:
        found = await tx.fetch("select sequence, number from invoicing.invoices order by sequence")
    return [row["sequence"] for row in found], [row["number"] for row in found]


async def test_a_draft_becomes_owed_and_is_read_as_it_was_made(open_tx, customer, vat, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000, 250, metadata={"po": "7"}, order_id=ORDER)
        assert names(tx) == ["invoicing.invoice.finalized"]
    async with open_tx() as tx:
        read = await invoicing.one(tx, invoice=made.id)
        payment = (await payments.current(tx, invoices=[made.ref]))[made.ref]
    assert read == made
    assert (made.number, made.status, made.order_id) == ("INV-2026-00001", Status.OPEN, ORDER)
    assert (made.subtotal.minor, made.tax.minor, made.total.minor, made.due.minor) == (1_250, 238, 1_488, 1_488)
    assert [(line.number, line.amount.minor, line.tax.minor) for line in made.lines] == [(1, 1_000, 190), (2, 250, 48)]
    assert (payment.amount, payment.status) == (made.total, PaymentStatus.AWAITING_CUSTOMER)
    assert made.seller.name == "Acme"
    assert made.buyer.name == customer.name
    assert await balances() == {"receivable": 1_488, "revenue": -1_250, "tax_payable": -238}


async def test_a_line_says_why_it_is_what_it_is(open_tx, customer, vat):
    line = a_line(1_000, explanation={"rule": "flat", "sentence": "Ten euros."})
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=(line,))
        [explained] = (await invoicing.one(tx, invoice=made.number)).lines
    assert explained.explanation == {
        "rule": "flat",
        "sentence": "Ten euros.",
        "tax": {"percent": "19", "amount": 190},
    }


async def test_what_runs_over_a_period_is_earned_when_that_is_over(open_tx, customer, balances):
    async with open_tx() as tx:
        await an_invoice(tx, customer, lines=(a_line(300), a_line(700, kind=LineKind.RECURRING, period=MARCH)))
    assert await balances() == {"receivable": 1_000, "revenue": -300, "deferred_revenue": -700}


async def test_it_is_dated_by_the_customers_calendar_and_due_by_the_issuers_terms(open_tx, tenant, customer):
    late_evening = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # the new year has begun in Amsterdam
    async with open_tx() as tx:
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        terms = replace(issuer, terms_days=14, number_format="{year}-{month}/{number}")
        await identity.set_issuer(tx, issuer=terms, now=NOW)
        made = await an_invoice(tx, customer, issued_at=late_evening)
    assert (made.issued_on, made.number) == (date(2027, 1, 1), "2027-01/1")
    assert made.due_at == datetime(2027, 1, 14, 23, 30, tzinfo=UTC)


async def test_what_comes_to_nothing_is_paid_at_once_and_asks_for_no_payment(open_tx, customer, vat, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 0)
        assert names(tx) == ["invoicing.invoice.finalized", "invoicing.invoice.paid"]
        assert await payments.current(tx, invoices=[made.ref]) == {}
        assert await invoicing.one(tx, invoice=made.id) == made
    assert (made.status, made.paid_at, made.total.minor) == (Status.PAID, NOW, 0)
    assert await balances() == {}


async def test_credits_take_an_invoice_to_nothing_and_below_it_is_a_credit_note(open_tx, customer):
    async with open_tx() as tx:
        even = await an_invoice(tx, customer, 1_000, -1_000)
        below = await an_invoice(tx, customer, 1_000, -1_001)
    assert (even.kind, even.status, even.number) == (InvoiceKind.INVOICE, Status.PAID, "INV-2026-00001")
    assert (below.kind, below.status, below.number) == (InvoiceKind.CREDIT_NOTE, Status.PAID, "CN-2026-00001")
    assert (below.total.minor, below.due.minor) == (-1, 0)


async def test_nothing_is_billed_twice_and_nothing_of_the_batch_is_written(open_tx, customer):
    first = a_draft(customer)
    async with open_tx() as tx:
        await invoicing.finalize(tx, drafts=[first], via=Via.LINK, now=NOW)
        assert await invoicing.are_billed(tx, items=[(customer.tenant_id, first.lines[0].billed_item)])
    for batch in ([a_draft(customer), replace(first, metadata={"again": "1"})], [a_draft(customer)] * 2):
        with pytest.raises(AlreadyBilled):
            async with open_tx() as tx:
                await invoicing.finalize(tx, drafts=batch, via=Via.LINK, now=NOW)
    assert (await numbers(open_tx))[0] == [1]


async def test_of_many_who_bill_the_same_at_once_one_does(open_tx, customer):
    items = [a_line(), a_line()]

    async def bill(number):
        lines = tuple(items if number % 2 else reversed(items))
        async with open_tx() as tx:
            return await an_invoice(tx, customer, lines=lines)

    done = await asyncio.gather(*[bill(number) for number in range(10)], return_exceptions=True)
    assert Counter(type(each).__name__ for each in done) == {"Invoice": 1, "AlreadyBilled": 9}
    assert (await numbers(open_tx))[0] == [1]


@pytest.mark.shows("LAW gapless", "LAW numbers", "fault F9")
async def test_numbers_have_no_gaps_however_many_finalize_at_once_and_fail(open_tx, customer):
    chance = random.Random(7)
    ends = chance.sample(["commit"] * 10 + ["raise"] * 5 + ["rollback"] * 5, 20)
    plans = [(chance.randint(1, 4), end) for end in ends]

    async def finalize(count, end):
        async with open_tx(keep=end != "rollback") as tx:
            made = await invoicing.finalize(tx, drafts=[a_draft(customer) for _ in range(count)], via=Via.LINK, now=NOW)
            await asyncio.sleep(chance.random() / 50)
            assert end != "raise", "as planned"
        return made if end == "commit" else []

    done = await asyncio.gather(*[finalize(*plan) for plan in plans], return_exceptions=True)
    assert {type(each) for each in done} == {list, AssertionError}
    kept = sum(count for count, end in plans if end == "commit")
    assert await numbers(open_tx) == (
        list(range(1, kept + 1)),
        [f"INV-2026-{number:05}" for number in range(1, kept + 1)],
    )
    made = sorted(each.number for batch in done if isinstance(batch, list) for each in batch)
    assert made == [f"INV-2026-{number:05}" for number in range(1, kept + 1)]


@pytest.mark.shows("LAW numbers")
async def test_each_tenant_counts_for_itself_in_one_batch(database, open_tx, customer):
    other = (await new_tenant(database)).tenant_id
    async with database.transaction([other], actor="test") as tx:
        theirs = await a_customer(tx)
    async with open_tx() as tx:
        await an_invoice(tx, customer)
    async with database.transaction([customer.tenant_id, other], actor="test") as tx:
        drafts = [a_draft(each) for each in (customer, theirs, customer)]
        made = await invoicing.finalize(tx, drafts=drafts, via=Via.LINK, now=NOW)
    assert [each.number for each in made] == ["INV-2026-00002", "INV-2026-00001", "INV-2026-00003"]
    assert [each.tenant_id for each in made] == [customer.tenant_id, other, customer.tenant_id]


async def test_a_batch_of_200_takes_as_many_statements_as_one(open_tx, customer, vat, counted):
    taken = []
    async with open_tx() as tx:
        await an_invoice(tx, customer)  # the tenant's first makes its key
    for size in (1, 200):
        async with open_tx() as tx:
            counted.clear()
            await invoicing.finalize(tx, drafts=[a_draft(customer, 5, 7) for _ in range(size)], via=Via.LINK, now=NOW)
            taken.append(len(counted))
    assert taken[0] == taken[1]
    assert taken[0] < 25


@pytest.mark.shows("LAW immutability")
async def test_the_seal_is_on_what_is_stored(open_tx, customer, vat):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=(a_line(333, period=MARCH), a_line(-33)))
    async with open_tx() as tx:
        read = await invoicing.one(tx, invoice=made.id)
        sealed = await tx.fetchval("select content_sha256 from invoicing.invoices")
    assert numbering.seal(read, read.number) == sealed
    assert numbering.seal(read, "INV-2026-00002") != sealed
    dearer = replace(read.lines[0], tax_percent=Decimal(20))
    assert numbering.seal(replace(read, lines=(dearer, *read.lines[1:])), read.number) != sealed


async def test_the_parties_stay_as_they_were_and_are_not_read_off_the_disk(open_tx, tenant, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, legal_name="Other AG"), now=NOW)
    async with open_tx() as tx:
        assert (await invoicing.one(tx, invoice=made.id)).seller.name == "Acme"
        stored = await tx.fetchval("select parties from invoicing.invoices")
    assert b"Lovelace" not in stored


async def test_invoices_are_found_by_number_id_and_owner(open_tx, customer):
    async with open_tx() as tx:
        other = await a_customer(tx)
        mine, theirs = await an_invoice(tx, customer), await an_invoice(tx, other)
        for each in (mine.number, mine.id, str(mine.id)):
            assert await invoicing.one(tx, invoice=each, customer_id=customer.id) == mine
        for each in (theirs.number, theirs.id, "INV-0", "inv_00000000000000000000000000"):
            with pytest.raises(NotFound):
                await invoicing.one(tx, invoice=each, customer_id=customer.id)
        query = PageQuery(limit=10, after=None)
        assert (await invoicing.listing(tx, query=query)).items == [theirs, mine]
        assert (await invoicing.listing(tx, query=query, customer_id=customer.id)).items == [mine]
        assert (await invoicing.listing(tx, query=query, status=Status.PAID)).items == []


async def test_another_tenant_sees_none_of_them(database, open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    other = (await new_tenant(database)).tenant_id
    async with database.transaction([other], actor="test") as tx:
        assert await invoicing.get(tx, refs=[made.ref, Ref(other, made.id)]) == {}
        for table in ("invoices", "lines", "billed_items", "series", "states"):
            assert await tx.fetchval(f"select count(*) from invoicing.{table}") == 0


FROZEN = [
    "update invoicing.invoices set total_minor = total_minor + 1, subtotal_minor = subtotal_minor + 1",
    "update invoicing.invoices set number = 'INV-2026-00099'",
    "update invoicing.invoices set issued_on = issued_on + 1",
    'update invoicing.invoices set metadata = \'{"a": "b"}\'',
    "update invoicing.invoices set content_sha256 = 'x'",
    (
        "update invoicing.invoices set status = 'draft', number = null, sequence = null, finalized_at = null, "
        "content_sha256 = null"
    ),
    "update invoicing.lines set amount_minor = amount_minor + 1",
    "update invoicing.lines set description = 'More'",
    "update invoicing.lines set kind = 'product'",
    (
        "insert into invoicing.lines (tenant_id, id, invoice_id, number, kind, description, quantity, amount_minor, "
        "tax_percent, tax_minor, currency, billed_item, explanation) select tenant_id, gen_random_uuid(), invoice_id, 2, "
        "kind, description, quantity, amount_minor, tax_percent, tax_minor, currency, 'more', explanation "
        "from invoicing.lines"
    ),
    "delete from invoicing.invoices",
    "delete from invoicing.lines",
    "truncate invoicing.invoices cascade",
]


@pytest.mark.parametrize("statement", FROZEN)
async def test_the_database_refuses_to_change_what_is_final(database_urls, open_tx, customer, statement):
    async with open_tx() as tx:
        await an_invoice(tx, customer)
    admin = await asyncpg.connect(database_urls.admin)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=r"final|never"):
            await admin.execute(statement)
    finally:
        await admin.close()


@pytest.mark.shows("fault F5")
async def test_lines_of_another_currency_are_a_mistake_of_ours(open_tx, customer):
    dollars = replace(a_line(), amount=Money(1, "USD"), unit_amount=None)
    with pytest.raises(AssertionError):
        async with open_tx() as tx:
            await an_invoice(tx, customer, lines=(a_line(), dollars))
