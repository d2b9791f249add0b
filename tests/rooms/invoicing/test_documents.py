"""The PDF: asked for by events, described, typeset, stored, and made anew when the invoice stands otherwise."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Duration, NewPromoCode
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import handlers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import InvoiceDocumentStored, InvoiceEvent, InvoicePaid
from guilder.domain.invoicing.performers import InvoiceDocuments
from guilder.domain.invoicing.service import DocumentNotReady
from guilder.domain.payments.events import PaymentSucceeded
from guilder.kernel import ids
from guilder.kernel.event import Message
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.outside.files import open_files
from guilder.platform.outside.intents import Done, Intent
from guilder.platform.outside.typeset import Typesetter
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_line, an_invoice, is_paid_for

MARCH = Period(datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))  # Amsterdam's
LATER = NOW + timedelta(days=1)
TYPESETTER = Typesetter()


@pytest.fixture
def files():
    return open_files("memory://")


@pytest.fixture
def performer(files):
    return InvoiceDocuments(TYPESETTER, files)


def an_intent(invoice):
    return Intent(
        tenant_id=invoice.tenant_id,
        id=ids.new(NOW),
        kind="invoice.document",
        destination="files",
        subject_id=invoice.id,
        step="",
        attempts=1,
        fence=1,
    )


@pytest.fixture
def made(open_tx, performer):
    """Take one intent through its phases, with `meanwhile` between the call and the record; return its verdict."""

    async def make(invoice, meanwhile=None):
        intent = an_intent(invoice)
        async with open_tx() as tx:
            [request] = await performer.load(tx, [intent], now=NOW)
        outcome = await performer.call(intent, request, now=NOW)
        if meanwhile is not None:
            await meanwhile()
        async with open_tx() as tx:
            [verdict] = await performer.record(tx, [Done(intent=intent, request=request, outcome=outcome)], now=NOW)
        return verdict

    return make


@pytest.fixture
def stored(open_tx, files):
    """Return where an invoice's PDF lies, and what can be read on it."""

    async def read(invoice):
        async with open_tx() as tx:
            path = await invoicing.document_path(tx, invoice=await invoicing.one(tx, invoice=invoice.id))
        pages = PdfReader(BytesIO(await files.get(path))).pages
        return path, re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))

    return read


async def pay(open_tx, invoice):
    async with open_tx() as tx:
        await is_paid_for(tx, invoice, now=LATER)
        [event] = [each.event for each in tx.outbox if isinstance(each.event, PaymentSucceeded)]
    message = Message(id=ids.new(NOW), event=event, occurred_at=LATER, actor="test")
    async with open_tx() as tx:
        await handlers.on_payment_succeeded(tx, [message], now=LATER)


async def test_the_pdf_says_who_owes_what_to_whom_and_for_which_days(open_tx, customer, vat, made, stored):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer, lines=(a_line(10_000, period=MARCH, description="Scale plan"),))
        with pytest.raises(DocumentNotReady):
            await invoicing.document_path(tx, invoice=invoice)
    assert (await made(invoice)).kind == "done"
    path, text = await stored(invoice)
    assert path.startswith(f"tenants/{invoice.tenant_id}/invoices/{invoice.id}/")
    assert path.endswith("/INV-2026-00001.pdf")
    for said in ("INV-2026-00001", "Acme", "Ada Lovelace", "GB980780684", "Scale plan", "€100.00", "€19.00", "€119.00"):
        assert said in text
    assert "Mar 1 – 31, 2026" in text  # Amsterdam's days, with the last one that is included
    assert "PAID" not in text


async def test_what_stands_in_the_column_adds_up_to_what_stands_under_it(open_tx, customer, made, stored):
    async with open_tx() as tx:
        promo = NewPromoCode(code="TEN", name="Ten", percent=Decimal(10), duration=Duration.FOREVER)
        await catalog.create_promo_code(tx, promo=promo, now=NOW)
        await invoicing.redeem(
            tx,
            customer_id=customer.id,
            subscription_id=None,
            code="TEN",
            plan_id=None,
            product_id=None,
            is_first_purchase=True,
            currency="EUR",
            now=NOW,
        )
        invoice = await an_invoice(tx, customer, lines=(a_line(10_000), a_line(5_000)))
    await made(invoice)
    _, text = await stored(invoice)
    for said in ("€100.00", "Discount: -€10.00", "€50.00", "Discount: -€5.00", "Subtotal €150.00", "Discount -€15.00"):
        assert said in text, text
    assert "Total €135.00" in text


async def test_a_paid_one_says_when_and_with_which_card(open_tx, customer, made, stored):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer)
    await made(invoice)
    before, _ = await stored(invoice)
    await pay(open_tx, invoice)
    with pytest.raises(DocumentNotReady):
        await stored(invoice)
    await made(invoice)
    after, text = await stored(invoice)
    assert after != before
    assert "Mar 2, 2026 · Visa •••• 4242" in text
    assert "United Kingdom" in text


async def test_what_is_paid_while_its_pdf_is_made_is_made_again(open_tx, customer, made, stored):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer)
    verdict = await made(invoice, meanwhile=lambda: pay(open_tx, invoice))
    assert verdict.kind == "again"
    with pytest.raises(DocumentNotReady):
        await stored(invoice)
    assert (await made(invoice)).kind == "done"
    assert "PAID" in (await stored(invoice))[1]


async def test_a_void_one_wears_it_and_one_given_up_is_still_due(open_tx, customer, made, stored):
    async with open_tx() as tx:
        voided, given_up = await an_invoice(tx, customer), await an_invoice(tx, customer)
    await made(given_up)
    async with open_tx() as tx:
        await invoicing.void(tx, refs=[voided.ref], now=LATER)
        await invoicing.give_up(tx, refs=[given_up.ref], now=LATER)
    await made(voided)
    text = (await stored(voided))[1]
    assert "VOID" in text
    assert "Amount due €0.00" in text
    assert "Amount due" in (await stored(given_up))[1]


async def test_the_same_invoice_in_the_same_standing_is_the_same_file(open_tx, tenant, customer, made, stored):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer)
    await made(invoice)
    first, _ = await stored(invoice)
    await made(invoice)
    assert (await stored(invoice))[0] == first


async def test_it_is_told_when_a_document_is_stored(open_tx, customer, performer):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer, 0)
    intent = an_intent(invoice)
    async with open_tx() as tx:
        [request] = await performer.load(tx, [intent], now=NOW)
    outcome = await performer.call(intent, request, now=NOW)
    async with open_tx() as tx:
        await performer.record(tx, [Done(intent=intent, request=request, outcome=outcome)], now=NOW)
        [told] = [each.event for each in tx.outbox]
        assert isinstance(told, InvoiceDocumentStored)
        assert (told.invoice_id, told.number, told.is_paid) == (invoice.id, invoice.number, True)
        assert (await invoicing.one(tx, invoice=invoice.id)).has_document


async def test_it_speaks_the_customers_language_and_carries_the_issuers_footer(open_tx, tenant, made, stored):
    async with open_tx() as tx:
        customer = await a_customer(tx, language="de", time_zone="Europe/Berlin")
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, footer="IBAN DE00 1234"), now=NOW)
        invoice = await an_invoice(tx, customer, 119_050)
    await made(invoice)
    _, text = await stored(invoice)
    for said in ("Rechnung", "1.190,50 €", "IBAN DE00 1234"):
        assert said in text


@pytest.mark.parametrize(
    ("language", "amount"),
    [("pt-BR", "€ 1.190,50"), ("pt", "1 190,50 €"), ("de-AT", "€ 1.190,50"), ("sv", "€1,190.50")],
)
async def test_amounts_are_written_as_the_customers_region_writes_them(open_tx, made, stored, language, amount):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, await a_customer(tx, language=language), 119_050)
    await made(invoice)
    _, text = await stored(invoice)
    assert amount in re.sub(r"\s", " ", text)


async def test_what_is_not_there_is_nothing_to_do(open_tx, customer, performer):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer)
        ghost = replace(invoice, id=ids.new(NOW))
        loaded = await performer.load(tx, [an_intent(ghost), an_intent(invoice)], now=NOW)
    assert loaded[0] is None
    assert loaded[1].invoice == invoice


async def test_events_ask_for_one_document_and_again_when_it_stands_otherwise(open_tx, customer):
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer, 0)
        events = [each.event for each in tx.outbox if isinstance(each.event, InvoiceEvent)]
    assert [type(each) for each in events][-1] is InvoicePaid
    messages = [Message(id=ids.new(NOW), event=each, occurred_at=NOW, actor="test") for each in events]

    async def intents():
        async with open_tx() as tx:
            return [tuple(row) for row in await tx.fetch("select kind, subject_id, state from platform.intents")]

    async def hear():
        async with open_tx() as tx:
            await handlers.on_invoice_changed(tx, messages, now=NOW)

    await hear()
    assert await intents() == [("invoice.document", invoice.id, "waiting")]
    async with open_tx() as tx:
        await tx.execute("update platform.intents set state = 'done'")
    await hear()
    assert await intents() == [("invoice.document", invoice.id, "waiting")]
