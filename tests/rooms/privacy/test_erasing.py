"""An erasure forgets everywhere, a batch at a time, and what comes late finds nobody and stops nothing."""

from datetime import date, timedelta
from decimal import Decimal

import asyncpg
import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import NewCustomer
from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind
from guilder.domain.gateways.model import RequestKind as Asked
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules import numbering
from guilder.domain.notifications import service as notifications
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer
from guilder.domain.privacy import service as privacy
from guilder.domain.privacy.model import State
from guilder.domain.privacy.rules.erasing import Doing
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Intake, SentReading
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform import crypto
from guilder.platform.bus import forgetting
from tests.support.builders.invoicing import a_line, an_invoice, is_paid_for
from tests.support.builders.notifications import a_message
from tests.support.builders.usage import a_meter
from tests.support.ground import RING

ORG = "org-secret-77"


@pytest.fixture
async def customer(office):
    return await office.shop.customer(organization_id=ORG, name="Ada Nettlecombe", metadata={"nick": "Nettle"})


async def a_paid_invoice(office, customer):
    shop = office.shop

    async def make(tx):
        made = await an_invoice(tx, customer, now=shop.now, lines=(a_line(description="Portrait of Ada"),))
        await is_paid_for(tx, made, now=shop.now)
        return made

    made = await shop.act(make)
    await shop.drain()
    return made


async def test_documents_keep_their_seals_and_their_words_lie_sealed(office, customer):
    shop = office.shop
    invoice = await a_paid_invoice(office, customer)
    done = await office.erase(customer)
    assert done.state is State.DONE
    [legal, *others] = done.kept
    assert (legal.what, legal.count, legal.until) == ("legal_documents", 1, date(shop.now.year + 11, 1, 1))
    assert {each.what for each in others} >= {"ledger_and_payments", "payment_methods_at_providers"}
    read = await shop.act(lambda tx: invoicing.one(tx, invoice=invoice.id))
    assert (read.buyer.name, read.lines[0].description) == ("Ada Nettlecombe", "Portrait of Ada")
    [row] = await office.ask_database("select content_sha256, sealed_words from invoicing.invoices")
    assert numbering.seal(read, read.number) == row["content_sha256"]
    assert b"Portrait" not in row["sealed_words"]
    assert [tuple(each) for each in await office.ask_database("select description, '' from invoicing.lines")] == [
        ("", "")
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "update invoicing.lines set description = 'Portrait of Eve'",
        "update invoicing.lines set description = ''",
        "update invoicing.invoices set parties = ''::bytea",
        "update invoicing.invoices set retention_until = retention_until - 1",
        "update invoicing.invoices set memo = 'more'",
    ],
)
async def test_what_is_final_is_not_forgotten_by_anybody_else(office, customer, sql):
    await a_paid_invoice(office, customer)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await office.shop.act(lambda tx: tx.execute(sql))


async def test_it_goes_on_where_it_was_killed(office, customer):
    shop = office.shop
    await a_paid_invoice(office, customer)
    asked = await office.ask(customer)

    class Killed(Exception):
        pass

    async def work_and_die(tx):
        [ref] = await office.shop._due("privacy.requests_due")
        await privacy.carry_out_due(tx, refs=[ref], now=shop.now)
        raise Killed

    steps = []
    for _ in range(40):
        if (await office.request(asked)).state is State.DONE:
            break
        with pytest.raises(Killed):
            await shop.act(work_and_die)
        assert await office.step() == 1
        steps.append((await office.request(asked)).step)
    assert list(dict.fromkeys(steps)) == [*[each.value for each in list(Doing)[1:]], "rooms"]


async def test_a_month_later_it_looks_once_more_and_then_knows_no_name(office, customer):
    done = await office.erase(customer)
    assert done.name == ORG
    office.shop.now += timedelta(days=30)
    await office.work()
    swept = await office.request(done)
    assert (swept.name, swept.next_at, swept.state) == ("", None, State.DONE)
    assert swept.done_at == done.done_at


async def test_the_log_says_a_pseudonym(office, customer):
    shop = office.shop
    await office.erase(customer)
    rows = await office.ask_database("select name, payload::text as said, actor from platform.log")
    assert any(f"erased_{customer.id.hex}" in row["said"] for row in rows)
    assert [row["name"] for row in rows if ORG in row["said"]] == []
    assert shop.names()[0] == "customers.customer.created"


async def test_whoever_remembers_the_log_is_told_that_something_was_forgotten_in_it(office, customer):
    """And of nothing, where there is nothing more to forget."""
    told = "select rewritten from platform.log_epoch"
    [before] = await office.ask_database(told)
    done = await office.erase(customer)
    [after] = await office.ask_database(told)
    assert before["rewritten"] < after["rewritten"]

    async def again(tx):
        assert await forgetting.pseudonymise(
            tx, subject_id=customer.id, old=ORG, new=f"erased_{done.customer_id.hex}", after=None
        )

    await office.shop.act(again)
    assert await office.ask_database(told) == [after]


async def test_a_stored_answer_about_her_is_forgotten_and_nothing_is_done_twice(office, customer):
    async def remember(tx):
        hers, others = f'{{"organization_id":"{ORG}"}}', '{"organization_id":"org-2"}'
        for key, body in (("hers", hers), ("other", others), (f"pay-{ORG}", hers)):
            about = crypto.about("platform.idempotency_keys", tx.tenant_id, "tenant", key)
            await tx.execute(
                """insert into platform.idempotency_keys (tenant_id, scope, key, fingerprint, status, media_type, body)
                   values ($1, 'tenant', $2, $3, 201, 'application/json', $4)""",
                tx.tenant_id,
                key,
                b"x" * 32,
                crypto.seal(RING, body.encode(), about=about),
            )

    await office.shop.act(remember)
    await office.erase(customer)
    rows = await office.ask_database("select key, status from platform.idempotency_keys order by key")
    assert [(row["key"], row["status"]) for row in rows] == [("hers", 409), ("other", 201)]


async def test_late_use_is_taken_and_nothing_of_it_is_kept(office, customer):
    shop = office.shop
    meter = await shop.act(lambda tx: a_meter(tx, Aggregation.SUM, now=shop.now))
    await office.erase(customer)

    def reading(event_id, **whose):
        said = {"event_id": event_id, "meter": meter.code, "value": Decimal(1), "properties": {"who": "Ada"}}
        said["path"] = event_id
        return SentReading(**said, **whose)

    other = await shop.customer()
    sent = [
        reading("late-1", organization_id=ORG),
        reading("fine", customer_id=other.id),
        reading("late-2", customer_id=customer.id),
    ]
    outcomes = await shop.act(lambda tx: usage.receive(tx, readings=sent, now=shop.now))
    assert outcomes == [Intake.IGNORED, Intake.COUNTED, Intake.IGNORED]
    assert [row["event_id"] for row in await office.ask_database("select event_id from usage.events")] == ["fine"]


async def test_a_card_that_was_being_saved_stops_nobody(office, customer):
    shop = office.shop
    made = await shop.act(lambda tx: payments.add_method(tx, customer_id=customer.id, token="pm_1", now=shop.now))
    await office.erase(customer)
    card = CardDetails(token="pm_1", brand="visa", last4="4242", exp_month=12, exp_year=2034)
    answer = Answer(
        tenant_id=made.tenant_id,
        business_key=made.business_key,
        kind=Asked.SETUP,
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED, card=card),
        at=shop.now,
    )
    await shop.act(lambda tx: payments.record_setups(tx, answers=[answer], now=shop.now))
    [row] = await office.ask_database("select status, sealed_token, last4, brand from payments.methods")
    assert (row["status"], row["sealed_token"], row["last4"], row["brand"]) == ("removed", b"", "", "")


async def test_nothing_is_said_to_her_any_more(office, customer):
    shop = office.shop
    told = await shop.act(lambda tx: notifications.tell(tx, messages=[a_message(customer)], now=shop.now))
    assert len(told) == 1
    await office.erase(customer)
    later = await shop.act(lambda tx: notifications.tell(tx, messages=[a_message(customer)], now=shop.now))
    assert later == []
    [row] = await office.ask_database("select status, sealed_content from notifications.notifications")
    assert (row["status"], row["sealed_content"]) == ("dropped", None)


async def test_a_request_to_charge_her_is_refused_and_names_nobody(office, customer):
    shop = office.shop
    await office.erase(customer)
    await shop.act(
        lambda tx: tx.execute(
            """insert into orders.charges (tenant_id, id, source, source_id, digest, status, customer, amount_minor,
                                           currency, description, metadata, received_at)
               values ($1, gen_random_uuid(), 'shop', '1', '', 'received', $2, 100, 'EUR', 'For Ada', '{"a": "b"}', $3)""",
            tx.tenant_id,
            ORG,
            shop.now,
        )
    )
    [row] = await office.ask_database("select tenant_id, id from orders.charges")
    await shop.act(lambda tx: orders.place_charges(tx, refs=[Ref(*row)], now=shop.now))
    [row] = await office.ask_database("select status, customer, description, reason from orders.charges")
    assert tuple(row) == ("refused", f"erased_{customer.id.hex}", "", "customer_erased")


async def test_the_organization_may_come_back_as_somebody_new(office, customer):
    shop = office.shop
    await office.erase(customer)
    found = await shop.act(lambda tx: customers.by_organization(tx, organization_ids=[ORG]))
    assert (found[ORG].id, found[ORG].is_erased, found[ORG].name) == (customer.id, True, "")
    new = NewCustomer(tenant_id=customer.tenant_id, name="Ada again", email="", organization_id=ORG)
    [again] = await shop.act(lambda tx: customers.create(tx, customers=[new], now=shop.now))
    assert (await shop.act(lambda tx: customers.find(tx, text=ORG))).id == again.id
    with pytest.raises(customers.CustomerIsErased):
        await shop.act(lambda tx: privacy.ask(tx, customer=f"erased_{customer.id.hex}", kind="export", now=shop.now))


async def test_late_data_finds_her_when_the_master_key_of_that_day_is_gone(office, customer):
    shop = office.shop
    await office.erase(customer)
    vault = shop.database.vault
    old = list(vault.ring._keys.values())
    try:
        new = crypto.new_key("next")
        vault.ring.adopt([new, *old])
        while await shop.act(lambda tx: tx.vault.rewrap(tx)):
            pass
        vault.ring.adopt([new])
        found = await shop.act(lambda tx: customers.by_organization(tx, organization_ids=[ORG, "org-2"]))
        assert {each: one.id for each, one in found.items()} == {ORG: customer.id}
    finally:
        vault.ring.adopt(old)


async def test_consents_are_only_added_to_and_how_they_are_known_goes_with_the_key(office, customer):
    shop = office.shop
    for is_given in (True, False):
        said = {"purpose": "newsletter", "version": "2026-01", "is_given": is_given, "proof": "Ada's form"}
        await shop.act(lambda tx: privacy.consent(tx, customer=ORG, now=shop.now, **said))  # noqa: B023
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await shop.act(lambda tx: tx.execute("update privacy.consents set is_given = true"))
    page = await shop.act(lambda tx: privacy.consents(tx, query=PageQuery(), customer_id=customer.id))
    assert [(each.is_given, each.proof) for each in page.items] == [(False, "Ada's form"), (True, "Ada's form")]
    await office.erase(customer)
    page = await shop.act(lambda tx: privacy.consents(tx, query=PageQuery(), customer_id=customer.id))
    assert [(each.is_given, each.proof) for each in page.items] == [(False, ""), (True, "")]
