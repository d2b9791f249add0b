import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from guilder.domain.invoicing import handlers, jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import InvoicePaid, InvoiceVoided
from guilder.domain.invoicing.model import LineKind, Settled, Status
from guilder.domain.invoicing.rules import drafts
from guilder.domain.invoicing.service import InvoiceIsPaid
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentSucceeded
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as Standing
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.event import Message
from guilder.kernel.ids import Ref
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.period import Period
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, a_line, an_invoice, is_paid_for

LATER = NOW + timedelta(hours=1)
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def told(tx, kind):
    return [each.event for each in tx.outbox if isinstance(each.event, kind)]


def heard(event):
    return Message(id=ids.new(LATER), event=event, occurred_at=LATER, actor="test")


async def pay(open_tx, invoice):
    """Have the money come in; return the message that says so."""
    async with open_tx() as tx:
        await is_paid_for(tx, invoice, now=LATER)
        [event] = told(tx, PaymentSucceeded)
    return heard(event)


async def settle(open_tx, *messages):
    async with open_tx() as tx:
        await handlers.on_payment_succeeded(tx, messages, now=LATER)
        return told(tx, InvoicePaid)


async def test_what_is_paid_for_is_paid_and_told_once(open_tx, customer, balances):
    product = ids.new(NOW)
    async with open_tx() as tx:
        made = await an_invoice(
            tx, customer, lines=(a_line(900, kind=LineKind.PRODUCT, product_id=product), a_line(100))
        )
    message = await pay(open_tx, made)
    [event] = await settle(open_tx, message, message)
    assert (event.invoice_id, event.number, event.paid_at, event.product_ids) == (
        made.id,
        made.number,
        LATER,
        (product,),
    )
    assert await settle(open_tx, message) == []
    async with open_tx() as tx:
        paid = await invoicing.one(tx, invoice=made.id)
        states = await tx.fetch("select from_status, to_status from invoicing.states order by id")
    assert (paid.status, paid.paid, paid.due.minor, paid.paid_at) == (Status.PAID, made.total, 0, LATER)
    assert [tuple(row) for row in states] == [("open", "paid")]
    assert await balances() == {"cash": 1_000, "revenue": -1_000}


async def test_money_that_only_somebody_claims_to_have_seen_pays_nothing(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
        claim = Settled(tenant_id=made.tenant_id, invoice_id=made.id, payment_id=ids.new(NOW), settled_at=NOW)
        assert await invoicing.settle(tx, settled=[claim], now=NOW) == []
        assert (await invoicing.one(tx, invoice=made.id)).status is Status.OPEN


async def test_settling_at_the_same_time_is_settling_once(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    message = await pay(open_tx, made)
    events = await asyncio.gather(*[settle(open_tx, message) for _ in range(5)])
    assert sorted(len(each) for each in events) == [0, 0, 0, 0, 1]


async def test_a_subscription_that_waited_begins_with_its_first_payment(open_tx, subscribed):
    subscription = await subscribed(is_active=False)
    async with open_tx() as tx:
        fee = drafts.first_period(subscription, order_id=None, issued_at=NOW)
        [made] = await invoicing.finalize(tx, drafts=[fee], via=Via.LINK, now=NOW)
        assert (await subscriptions.one(tx, ref=subscription.ref)).status is Standing.PROCESSING
    await settle(open_tx, await pay(open_tx, made))
    async with open_tx() as tx:
        active = await subscriptions.one(tx, ref=subscription.ref)
    assert (active.status, active.next_due_at) == (Standing.ACTIVE, subscription.current_period.ends_at)


@pytest.mark.shows("LAW gapless")
async def test_a_void_takes_everything_back_but_the_number(open_tx, customer, vat, balances):
    draft = a_draft(customer, lines=(a_line(300), a_line(700, period=MARCH)))
    async with open_tx() as tx:
        [made] = await invoicing.finalize(tx, drafts=[draft], via=Via.LINK, now=NOW)
    async with open_tx() as tx:
        [voided] = await invoicing.void(tx, refs=[made.ref], now=LATER)
        assert await invoicing.void(tx, refs=[made.ref], now=LATER) == []
        assert len(told(tx, InvoiceVoided)) == 1
        assert (await payments.current(tx, invoices=[made.ref]))[made.ref].status is PaymentStatus.CANCELED
        read = await invoicing.one(tx, invoice=made.number)
        assert not await tx.fetch("select * from invoicing.recognition_due($1, 'infinity', 9)", customer.tenant_id)
    assert (voided.status, voided.voided_at, voided.number) == (Status.VOID, LATER, made.number)
    assert read == voided
    assert await balances() == {}
    async with open_tx() as tx:
        [again] = await invoicing.finalize(tx, drafts=[draft], via=Via.LINK, now=LATER)
    assert again.number == "INV-2026-00002"


async def test_what_is_paid_is_not_voided(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    message = await pay(open_tx, made)
    # The money is there; that nobody has counted it yet must not matter.
    for _ in range(2):
        with pytest.raises(InvoiceIsPaid):
            async with open_tx() as tx:
                await invoicing.void(tx, refs=[made.ref], now=LATER)
        await settle(open_tx, message)
    async with open_tx() as tx:
        nothing = await an_invoice(tx, customer, 0)
    with pytest.raises(InvoiceIsPaid):
        async with open_tx() as tx:
            await invoicing.void(tx, refs=[nothing.ref], now=LATER)


async def test_what_is_unknown_is_not_voided(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    with pytest.raises(NotFound):
        async with open_tx() as tx:
            await invoicing.void(tx, refs=[made.ref, Ref(customer.tenant_id, ids.new(NOW))], now=NOW)
    async with open_tx() as tx:
        assert (await invoicing.one(tx, invoice=made.id)).status is Status.OPEN


async def test_what_is_given_up_is_written_off_and_may_still_be_paid(open_tx, customer, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
        await invoicing.give_up(tx, refs=[made.ref], now=LATER)
        assert await invoicing.give_up(tx, refs=[made.ref], now=LATER) == []
    assert await balances() == {"revenue": -1_000, "write_offs": 1_000}
    with pytest.raises(IllegalStep):
        async with open_tx() as tx:
            await invoicing.void(tx, refs=[made.ref], now=LATER)
    message = await pay(open_tx, made)
    assert len(await settle(open_tx, message)) == 1
    assert await settle(open_tx, message) == []
    assert await balances() == {"cash": 1_000, "revenue": -1_000}


async def test_a_paid_invoice_is_not_given_up(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    await settle(open_tx, await pay(open_tx, made))
    async with open_tx() as tx:
        assert await invoicing.give_up(tx, refs=[made.ref], now=LATER) == []


@pytest.mark.parametrize("status", ["open", "void", "uncollectible"])
async def test_the_database_lets_nothing_leave_what_is_paid(database_urls, open_tx, customer, status):
    async with open_tx() as tx:
        await an_invoice(tx, customer, 0)
    admin = await asyncpg.connect(database_urls.admin)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="cannot become"):
            await admin.execute("update invoicing.invoices set status = $1, voided_at = now()", status)
    finally:
        await admin.close()


async def test_revenue_is_recognised_when_its_period_is_over_and_once(open_tx, customer, balances):
    async with open_tx() as tx:
        await an_invoice(tx, customer, lines=(a_line(700, period=MARCH), a_line(-200, period=MARCH), a_line(300)))

    async def due(now):
        async with open_tx() as tx:
            rows = await tx.fetch("select * from invoicing.recognition_due($1, $2, 9)", customer.tenant_id, now)
        return [Ref(row["tenant_id"], row["id"]) for row in rows]

    assert await due(MARCH.ends_at - timedelta(seconds=1)) == []
    refs = await due(MARCH.ends_at + timedelta(days=3))
    assert len(refs) == 2
    for done in (2, 0):
        async with open_tx() as tx:
            assert await jobs.recognize_due(tx, refs, now=MARCH.ends_at + timedelta(days=3)) == done
    assert await due(datetime(2031, 1, 1, tzinfo=UTC)) == []
    assert await balances() == {"receivable": 800, "revenue": -800}
    async with open_tx() as tx:
        dates = await tx.fetch("select posted_at from ledger.entries where kind = 'revenue_recognized'")
    assert [row["posted_at"] for row in dates] == [MARCH.ends_at] * 2  # dated by when it fell due


async def test_a_void_counts_what_is_being_recognised_at_that_moment(open_tx, customer, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=(a_line(700, period=MARCH),))

    async def void():
        async with open_tx() as tx:
            await invoicing.void(tx, refs=[made.ref], now=LATER)

    async with open_tx() as tx:
        assert await jobs.recognize_due(tx, [Ref(made.tenant_id, made.lines[0].id)], now=MARCH.ends_at) == 1
        waiting = asyncio.create_task(void())
        await asyncio.sleep(0.2)
        assert not waiting.done()
    await waiting
    assert await balances() == {}


async def test_refunds_are_noted_and_leave_the_invoice_as_it_stands(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
    await settle(open_tx, await pay(open_tx, made))
    async with open_tx() as tx:
        await tx.execute(
            """insert into payments.refunds (tenant_id, id, payment_id, invoice_id, customer_id, amount_minor, currency,
                   status, reason, ends_access, is_overpayment, provider_ref, decline_code, asked_at)
               select tenant_id, gen_random_uuid(), id, invoice_id, customer_id, 400, currency, 'succeeded', '', false,
                   false, '', '', requested_at from payments.payments where status = 'succeeded'"""
        )
        for _ in range(2):
            await invoicing.record_refunds(tx, refs=[made.ref], now=LATER)
        read = await invoicing.one(tx, invoice=made.id)
    assert (read.refunded.minor, read.status, read.paid, read.due.minor) == (400, Status.PAID, made.total, 0)


async def test_a_balance_says_what_the_whole_invoice_says(open_tx, customer):
    async with open_tx() as tx:
        due = await an_invoice(tx, customer, lines=(a_line(900),))
        sent = await an_invoice(tx, customer, lines=(a_line(500),), is_sent=True)
    message = await pay(open_tx, due)
    await settle(open_tx, message)
    async with open_tx() as tx:
        balances = await invoicing.balances(tx, refs=[due.ref, sent.ref])
        whole = await invoicing.get(tx, refs=[due.ref, sent.ref])
    assert balances.keys() == whole.keys() == {due.ref, sent.ref}
    for ref, each in whole.items():
        found = balances[ref]
        assert (found.kind, found.total, found.paid, found.credited) == (
            each.kind,
            each.total,
            each.paid,
            each.credited,
        )
        assert (found.due, found.is_sent) == (each.due, each.is_sent)
    assert {ref: found.due.minor for ref, found in balances.items()} == {due.ref: 0, sent.ref: 500}
