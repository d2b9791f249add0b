"""What is old is forgotten a batch at a time, and no legal document before the law lets go of it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules import keeping
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import Content, Delivery, Status
from guilder.domain.privacy import service as privacy
from guilder.domain.privacy.model import Forgotten
from guilder.domain.privacy.rules.retention import KeptTooShort, id_at
from guilder.domain.usage import service as usage
from guilder.kernel import ids
from tests.support.builders.invoicing import an_invoice, is_paid_for
from tests.support.builders.metered import a_charge, a_metered, a_metered_plan, uses
from tests.support.builders.notifications import a_message
from tests.support.builders.usage import a_meter, an_event
from tests.support.database import connected


@pytest.mark.shows("LAW retention")
@pytest.mark.parametrize(
    ("country", "until"),
    [
        ("DE", date(2035, 1, 1)),
        ("AT", date(2034, 1, 1)),
        ("FR", date(2037, 1, 1)),
        ("ES", date(2033, 1, 1)),
        ("IT", date(2037, 1, 1)),
        ("NL", date(2034, 1, 1)),
        ("GB", date(2033, 1, 1)),
        ("US", date(2034, 1, 1)),
        ("", date(2037, 1, 1)),
        ("XX", date(2037, 1, 1)),
    ],
)
def test_a_document_is_kept_for_the_years_of_its_issuers_country(country, until):
    assert keeping.retention_until(date(2026, 3, 1), country=country) == until


def test_the_smallest_id_of_an_instant_is_below_every_id_of_it():
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert all(id_at(at) <= each for each in ids.new_many(at, 50))
    assert ids.new(at - timedelta(milliseconds=1)) < id_at(at)


async def paid(office, **over):
    shop = office.shop
    customer = await shop.customer(name="Ada Nettlecombe")

    async def make(tx):
        made = await an_invoice(tx, customer, now=shop.now, **over)
        await is_paid_for(tx, made, now=shop.now)
        return made

    made = await shop.act(make)
    await shop.drain()
    return made


async def read(office, invoice):
    return await office.shop.act(lambda tx: invoicing.one(tx, invoice=invoice.id))


@pytest.mark.shows("I31", "LAW retention", "ASVS 14.2.7")
async def test_a_document_is_forgotten_on_its_day_and_keeps_its_number(office):
    shop = office.shop
    invoice = await paid(office)
    owed = await shop.act(lambda tx: an_invoice(tx, shop_customer(invoice), now=shop.now))
    assert invoice.retention_until is not None
    shop.now = datetime.combine(invoice.retention_until, datetime.min.time(), UTC) - timedelta(days=1)
    await office.round()
    assert (await read(office, invoice)).buyer.name == "Ada Nettlecombe"
    await office.round(days=1)
    gone = await read(office, invoice)
    assert (gone.is_forgotten, gone.buyer.name, gone.number, gone.total) == (True, "", invoice.number, invoice.total)
    assert {line.description for line in gone.lines} == {""}
    with pytest.raises(invoicing.DocumentForgotten):
        await shop.act(lambda tx: invoicing.document_path(tx, invoice=gone))
    [intent] = await office.ask_database(
        "select subject_id from platform.intents where kind = $1", invoicing.FORGET_DOCUMENT
    )
    assert intent["subject_id"] == invoice.id
    assert not (await read(office, owed)).is_forgotten, "what is owed is needed"


def shop_customer(invoice):
    """Stand in for the customer of an invoice, as builders of drafts ask for one."""
    return type("Whose", (), {"tenant_id": invoice.tenant_id, "id": invoice.customer_id})


async def test_what_was_final_before_anybody_asked_is_dated_by_a_round(office, database_urls):
    await paid(office)
    async with connected(database_urls.admin) as admin:
        await admin.execute(
            """alter table invoicing.invoices disable trigger frozen;
               update invoicing.invoices set retention_until = null;
               alter table invoicing.invoices enable trigger frozen"""
        )
    await office.round(days=1)
    [row] = await office.ask_database("select retention_until from invoicing.invoices")
    assert row["retention_until"] is not None


@pytest.mark.shows("LAW retention")
async def test_a_tenant_keeps_documents_longer_and_never_shorter(office):
    shop = office.shop
    invoice = await paid(office)
    longer = {Forgotten.DOCUMENTS: 20 * 366}
    await shop.act(lambda tx: privacy.set_retention(tx, days=longer, now=shop.now))
    shop.now = datetime.combine(invoice.retention_until, datetime.min.time(), UTC)
    await office.round(days=1)
    assert not (await read(office, invoice)).is_forgotten
    await shop.act(lambda tx: privacy.set_retention(tx, days={Forgotten.DOCUMENTS: 1}, now=shop.now))
    await office.round(days=1)
    assert (await read(office, invoice)).is_forgotten, "after the law's time the tenant's own rule counts"
    with pytest.raises(KeptTooShort):
        await shop.act(lambda tx: privacy.set_retention(tx, days={Forgotten.USAGE_PROPERTIES: 30}, now=shop.now))


@pytest.mark.shows("ASVS 14.2.7")
async def test_old_messages_notices_and_properties_are_cut_and_what_counts_stays(office):
    shop = office.shop
    customer = await shop.customer()
    meter = await shop.act(lambda tx: a_meter(tx, now=shop.now))
    event = an_event(customer_id=customer.id, meter=meter, at=shop.now, value=Decimal(3), properties={"who": "Ada"})

    async def leave_traces(tx):
        await usage.record(tx, events=[event], now=shop.now)
        [told] = await notifications.tell(tx, messages=[a_message(customer)], now=shop.now)
        said = Delivery(ref=told.ref, status=Status.SENT, content=Content(recipient="a@b.example", text="Dear Ada"))
        await notifications.record(tx, deliveries=[said], now=shop.now)

    await shop.act(leave_traces)
    await office.round(days=729)
    [row] = await office.ask_database("select sealed_content from notifications.notifications")
    assert row["sealed_content"] is not None
    due = await shop.act(lambda tx: privacy.due_counts(tx, now=shop.now + timedelta(days=2)))
    assert due == {Forgotten.DOCUMENTS: 0, Forgotten.MESSAGES: 1, Forgotten.PROVIDER_NOTICES: 0}
    await office.round(days=2)
    [row] = await office.ask_database("select sealed_content from notifications.notifications")
    assert row["sealed_content"] is None
    [row] = await office.ask_database("select properties::text as properties, value from usage.events")
    assert (row["properties"], row["value"]) == ("{}", 3)
    told = {each.kind: each for each in await shop.act(privacy.retention)}
    assert (told[Forgotten.MESSAGES].forgotten, told[Forgotten.USAGE_PROPERTIES].forgotten) == (1, 1)
    assert told[Forgotten.MESSAGES].ran_at == shop.now


async def test_properties_stay_until_they_are_billed_by(office):
    shop = office.shop
    customer = await shop.customer()

    async def begin(tx):
        plan = await a_metered_plan(tx, a_charge(), now=shop.now)
        subscription = await a_metered(tx, customer, plan, now=shop.now)
        await uses(tx, customer, 3, at=shop.now, properties={"region": "eu"})
        return subscription

    made = await shop.act(begin)
    await office.round(days=800)
    [row] = await office.ask_database("select properties::text as properties from usage.events")
    assert "eu" in row["properties"]
    await shop.act(
        lambda tx: tx.execute("update subscriptions.subscriptions set usage_from = $2 where id = $1", made.id, shop.now)
    )
    await office.round(days=1)
    [row] = await office.ask_database("select properties::text as properties from usage.events")
    assert row["properties"] == "{}"
