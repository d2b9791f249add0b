"""A receipt carries the PDF that shows it paid; it waits for it, but not for ever."""

from datetime import timedelta

import pytest

from guilder.domain.identity.model import Mode
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import InvoiceDocumentStored, InvoicePaid
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.notifications import handlers, jobs
from guilder.domain.notifications.handlers.invoices import DOCUMENT_WAIT
from guilder.domain.notifications.model import Channel, Status
from guilder.domain.notifications.performers import sending
from guilder.platform.outside.files import Files, FilesUnavailable
from tests.support.builders.entitlements import heard
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import an_open_invoice
from tests.support.database import connected

PDF = b"%PDF-1.7 a receipt"


@pytest.fixture
def file_of():
    return lambda invoice: f"tenants/{invoice.tenant_id}/invoices/{invoice.id}/v1/{invoice.number}.pdf"


def of(event, invoice, **over):
    said = {
        "tenant_id": invoice.tenant_id,
        "invoice_id": invoice.id,
        "customer_id": invoice.customer_id,
        "subscription_id": None,
        "order_id": None,
        "number": invoice.number,
        "total": invoice.total,
    }
    return heard(event(**said, **over))


async def a_paid_invoice(ground):
    """Bill and mark paid by the owner's hand: how it was paid is another room's story."""
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    async with connected(ground.admin_url) as admin:
        await admin.execute(
            "update invoicing.invoices set status = 'paid', paid_at = issued_at, paid_minor = total_minor where id = $1",
            invoice.id,
        )
    return invoice


async def stored(ground, invoice, path, pdf=PDF):
    """Have the document made, as invoicing's runner would."""
    await ground.files.put(path, pdf, content_type="application/pdf")
    async with ground.tx() as tx:
        await invoicing.document_stored(tx, documents=[(invoice.ref, path, InvoiceStatus.PAID)], now=NOW)


async def mail_of(ground):
    return (await ground.told(Channel.EMAIL))[0]


async def test_the_receipt_waits_for_its_document_and_carries_it(ground, file_of):
    invoice = await a_paid_invoice(ground)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    assert ground.inbox.mails == []
    assert len(ground.phones.texts) == 1, "a text carries no document, and waits for none"
    await stored(ground, invoice, file_of(invoice))
    await ground.hear(handlers.on_invoice_document_stored, of(InvoiceDocumentStored, invoice, is_paid=True))
    [mail] = ground.inbox.mails
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (f"{invoice.number}.pdf", PDF)
    assert attached.get_content_type() == "application/pdf"
    assert "Your invoice is attached." in mail.get_body(("plain",)).get_content()
    told = await mail_of(ground)
    assert [(each.filename, each.size_bytes) for each in told.content.attachments] == [
        (f"{invoice.number}.pdf", len(PDF))
    ]
    await ground.hear(handlers.on_invoice_document_stored, of(InvoiceDocumentStored, invoice, is_paid=True))
    assert len(ground.inbox.mails) == 1


async def test_a_document_that_does_not_show_it_paid_lets_no_receipt_go(ground):
    invoice = await a_paid_invoice(ground)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    await ground.hear(handlers.on_invoice_document_stored, of(InvoiceDocumentStored, invoice, is_paid=False))
    assert ground.inbox.mails == []


async def test_without_a_document_it_goes_with_the_link_after_ten_minutes(ground):
    invoice = await a_paid_invoice(ground)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    held = await mail_of(ground)
    assert held.held_until == NOW + DOCUMENT_WAIT
    async with connected(ground.admin_url) as admin:
        due = await admin.fetch("select id, due_at from notifications.held_due($1, 'infinity', 10)", ground.tenant_id)
    assert [tuple(row) for row in due] == [(held.id, NOW + DOCUMENT_WAIT)]
    for waited, sent in ((DOCUMENT_WAIT - timedelta(seconds=1), 0), (DOCUMENT_WAIT, 1), (DOCUMENT_WAIT, 1)):
        async with ground.tx() as tx:
            await jobs.send_held(tx, [held.ref], now=NOW + waited)
        await ground.runner.drain()
        assert len(ground.inbox.mails) == sent
    [mail] = ground.inbox.mails
    assert list(mail.iter_attachments()) == []
    assert "Your invoice is ready to download." in mail.get_body(("plain",)).get_content()


async def test_one_that_is_too_large_or_gone_stays_behind(ground, file_of, monkeypatch):
    monkeypatch.setattr(sending, "ATTACHED_BYTES_MAX", len(PDF) - 1)
    large, gone = await a_paid_invoice(ground), await a_paid_invoice(ground)
    for invoice in (large, gone):
        await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    await stored(ground, large, file_of(large))
    async with ground.tx() as tx:
        await invoicing.document_stored(tx, documents=[(gone.ref, file_of(gone), InvoiceStatus.PAID)], now=NOW)
    await ground.receipts_go(large, gone)
    assert [list(mail.iter_attachments()) for mail in ground.inbox.mails] == [[], []]


async def test_one_that_is_out_of_reach_for_long_stays_behind(ground, file_of, monkeypatch):
    invoice = await a_paid_invoice(ground)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    await stored(ground, invoice, file_of(invoice))

    async def away(self, path):
        raise FilesUnavailable

    monkeypatch.setattr(Files, "get", away)
    await ground.receipts_go(invoice)
    assert ground.inbox.mails == [], "it may be back in a moment"
    async with connected(ground.admin_url) as admin:
        for _ in range(sending.ATTACHED_TRIES_MAX):
            await admin.execute("update platform.intents set due_at = clock_timestamp() where state = 'waiting'")
            await ground.runner.drain()
    assert (await mail_of(ground)).status is Status.SENT
    [mail] = ground.inbox.mails
    assert list(mail.iter_attachments()) == []
    assert "Your invoice is ready to download." in mail.get_body(("plain",)).get_content()


async def test_a_sandboxs_receipt_is_kept_with_what_it_carries(make_ground, file_of):
    ground = await make_ground(mode=Mode.SANDBOX)
    invoice = await a_paid_invoice(ground)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    await stored(ground, invoice, file_of(invoice))
    await ground.receipts_go(invoice)
    told = await mail_of(ground)
    assert (told.status, told.content.attachments[0].size_bytes) == (Status.KEPT, len(PDF))
    assert ground.inbox.mails == []
