"""Nothing of somebody is left behind: neither what was said among the facts, nor who of the customer's users said it."""

from datetime import timedelta

import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import CreditNoteIssued
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, Receipt
from guilder.domain.privacy import handlers
from guilder.domain.privacy import service as privacy
from guilder.domain.privacy.model import State
from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.model import Wish
from guilder.kernel.event import Message
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.support.builders.gateways import a_gateway
from tests.support.builders.invoicing import a_line, an_invoice, is_paid_for

USER = "user:https://id.example|nettlecombe"
# The digits as a word: within what is sealed, and hashes, they come up by chance.
SAID = r"ettlecombe|\m4242\M"


@pytest.fixture
async def customer(office):
    return await office.shop.customer(organization_id="org-nettlecombe", name="Ada Nettlecombe")


async def rows_with(office, pattern):
    """Search every table of the tenant; return each row in which something is found."""
    tables = await office.ask_database(
        """select format('%I.%I', n.nspname, c.relname) as name
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'select')
              and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')"""
    )
    found = []
    for table in tables:
        sql = f"select t::text as row from {table['name']} t where t::text ~ $1"
        found += [(table["name"], row["row"]) for row in await office.ask_database(sql, pattern)]
    return found


async def a_paid_invoice(office, customer):
    async def make(tx):
        made = await an_invoice(tx, customer, now=shop.now, lines=(a_line(description="Portrait of Nettlecombe"),))
        await is_paid_for(tx, made, now=shop.now)
        return made

    shop = office.shop
    made = await shop.act(make)
    await shop.drain()
    return made


async def credit(tx, invoice, amount_minor, *, now):
    correction = invoicing.Correction(reason="Nettlecombe asked", amount_minor=amount_minor)
    return await invoicing.credit_note(tx, invoice_id=invoice.id, correction=correction, now=now)


async def pays_by_transfer(tx, customer, *, now):
    """Pay 10.00 by a transfer that says who sent it, and have 1.00 of it sent back."""
    settings = {"instructions": "IBAN NL00 BANK 0123", "reference_prefix": ""}
    await a_gateway(tx, gateway="manual", is_default=False, settings=settings, now=now)
    invoice = await an_invoice(tx, customer, now=now)
    receipt = Receipt(happened_at=now, reference="From Nettlecombe")
    paid = await orders.record_transfer(
        tx, invoice=invoice.id, amount_minor=invoice.due.minor, receipt=receipt, now=now
    )
    refund = await payments.make_refund(
        tx, refund=NewRefund(payment_id=paid.id, amount_minor=100, reason="Late"), now=now
    )
    receipt = Receipt(happened_at=now, reference="To Nettlecombe")
    await payments.record_returned(tx, refund_id=refund.id, receipt=receipt, now=now)


async def test_words_digits_and_users_go_with_whom_they_are_of(office, customer):
    shop = office.shop
    wish = Wish(url="https://example.com/hook", events=("payments.*",))
    await shop.act(lambda tx: webhooks.create(tx, wish=wish, may_loop=False, now=shop.now))
    card = await shop.card(customer)
    await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
    [paid] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery(), customer_id=customer.id))).items
    consent = {"customer": customer.organization_id, "purpose": "letters", "version": "1", "is_given": True}
    async with shop.database.transaction([shop.tenant.tenant_id], actor=USER) as tx:
        await privacy.consent(tx, **consent, now=shop.now)
        wish = NewRefund(payment_id=paid.id, reason="Nettlecombe asks")
        asked = await payments.ask_refund(tx, refund=wish, customer_id=customer.id, now=shop.now)
        said = [Message(id=each.id, event=each.event, occurred_at=shop.now, actor=USER) for each in tx.outbox]
    await shop.act(lambda tx: webhooks.hear(tx, heard=said, now=shop.now))
    await shop.act(lambda tx: payments.refuse_refund(tx, refund_id=asked.id, reason="As Nettlecombe", now=shop.now))
    invoice = await a_paid_invoice(office, customer)
    await shop.act(lambda tx: credit(tx, invoice, 300, now=shop.now))
    await shop.act(lambda tx: pays_by_transfer(tx, customer, now=shop.now))
    await shop.drain()
    gift = {"amount": Money(500, "EUR"), "priority": 0, "expires_at": None, "name": "For Nettlecombe", "is_paid": False}
    await shop.act(lambda tx: invoicing.grant_prepaid(tx, customer_id=customer.id, **gift, now=shop.now))
    before = {name for name, _ in await rows_with(office, SAID)}
    assert before >= {"platform.log", "webhooks.messages", "payments.refunds", "payments.payments", "invoicing.lines"}
    assert before >= {"privacy.consents", "invoicing.prepaid_grants"}
    asked = await office.ask(customer, ends_subscriptions=True)
    await office.work()
    await shop.drain()
    assert (await office.request(asked)).state is State.DONE
    shop.now += timedelta(days=30)
    await office.work()
    assert await rows_with(office, SAID) == []
    [refund, _] = await office.ask_database("select status, asked_by from payments.refunds order by id")
    assert tuple(refund) == ("refused", "user:erased")


async def test_a_note_that_is_made_later_repeats_words_that_are_sealed(office, customer):
    shop = office.shop
    invoice = await a_paid_invoice(office, customer)
    await office.erase(customer)
    shop.now += timedelta(days=31)
    await office.work()
    note = await shop.act(lambda tx: credit(tx, invoice, 300, now=shop.now))
    issued = [event for event in shop.heard if isinstance(event, CreditNoteIssued)]
    await shop.tell(handlers.on_credit_note_issued, issued)
    assert await rows_with(office, SAID) == []
    read = await shop.act(lambda tx: invoicing.one(tx, invoice=note.id))
    assert (read.memo, read.lines[0].description) == ("Nettlecombe asked", "Portrait of Nettlecombe")
