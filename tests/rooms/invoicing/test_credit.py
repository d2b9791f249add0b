"""Credit notes and customer credit: what is given back, and what becomes of it."""

from datetime import timedelta

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import InvoiceKind, LineKind, Settled, Status
from guilder.domain.invoicing.rules import numbering
from guilder.domain.invoicing.rules.correcting import BadCreditAmount, CreditTooLarge, NoSuchLine
from guilder.domain.invoicing.service import (
    Correction,
    GiveBack,
    InvoiceIsPaid,
    IsCreditNote,
    NotCreditable,
    NotEnoughCredit,
    NothingRefundable,
    PaymentInFlight,
)
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.service import NothingToRefund
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_finalize import MARCH, names
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, a_line, an_invoice, is_paid_for

LATER = NOW + timedelta(days=1)


def eur(minor):
    return Money(minor, "EUR")


async def left(tx, customer):
    return [each.left.minor for each in await invoicing.credits_of(tx, customer_id=customer.id)]


async def grants(tx, customer, *amounts):
    for amount in amounts:
        await invoicing.grant_credit(tx, customer_id=customer.id, amount=eur(amount), reason="sorry", now=NOW)


async def is_settled(tx, invoice):
    paid = await is_paid_for(tx, invoice)
    told = Settled(tenant_id=invoice.tenant_id, invoice_id=invoice.id, payment_id=paid.id, settled_at=NOW)
    await invoicing.settle(tx, settled=[told], now=NOW)
    return await invoicing.one(tx, invoice=invoice.id)


def a_correction(**over):
    return Correction(**{"reason": "A mistake", **over})


async def test_a_negative_draft_is_a_credit_note_whose_amount_pays_the_next_invoice(open_tx, customer, vat, balances):
    async with open_tx() as tx:
        note = await an_invoice(tx, customer, -1_000)
        assert names(tx) == ["invoicing.credit_note.issued", "invoicing.credit.granted"]
        assert await payments.current(tx, invoices=[note.ref]) == {}
    assert (note.kind, note.number, note.status) == (InvoiceKind.CREDIT_NOTE, "CN-2026-00001", Status.PAID)
    assert (note.subtotal.minor, note.tax.minor, note.total.minor, note.due.minor) == (-1_000, -190, -1_190, 0)
    assert await balances() == {"revenue": 1_000, "tax_payable": 190, "customer_credit": -1_190}
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 2_000)
        payment = (await payments.current(tx, invoices=[made.ref]))[made.ref]
        assert await left(tx, customer) == [0]
        assert await invoicing.one(tx, invoice=made.id) == made
    assert (made.number, made.total.minor, made.credit_applied.minor, made.due.minor) == (
        "INV-2026-00001",
        2_380,
        1_190,
        1_190,
    )
    assert payment.amount == eur(1_190)
    assert await balances() == {"revenue": -1_000, "tax_payable": -190, "receivable": 1_190}


async def test_the_oldest_credit_goes_first_and_a_batch_shares_it(open_tx, customer):
    async with open_tx() as tx:
        await grants(tx, customer, 300, 500)
        drafts = [a_draft(customer, 200), a_draft(customer, 400), a_draft(customer, 600), a_draft(customer, -100)]
        made = await invoicing.finalize(tx, drafts=[*drafts, a_draft(customer, 70)], via=Via.LINK, now=NOW)
        assert await left(tx, customer) == [0, 0, 30]
    applied = [each.credit_applied.minor if each.credit_applied else 0 for each in made]
    assert applied == [200, 400, 200, 0, 70]
    assert [each.status for each in made] == [Status.PAID, Status.PAID, Status.OPEN, Status.PAID, Status.PAID]
    assert [each.due.minor for each in made] == [0, 0, 400, 0, 0]


@pytest.mark.parametrize("sizes", [(5,), (1, 1, 1, 1, 1), (2, 3), (4, 1)])
async def test_credit_is_shared_alike_however_drafts_are_batched(open_tx, customer, sizes):
    async with open_tx() as tx:
        await grants(tx, customer, 450)
    drafts, made = [a_draft(customer, amount) for amount in (100, -50, 300, 200, 10)], []
    for size in sizes:
        async with open_tx() as tx:
            made += await invoicing.finalize(tx, drafts=drafts[:size], via=Via.LINK, now=NOW)
        drafts = drafts[size:]
    assert [each.due.minor for each in made] == [0, 0, 0, 100, 10]


async def test_credit_in_another_currency_and_of_others_stays(open_tx, customer):
    async with open_tx() as tx:
        other = await a_customer(tx)
        await grants(tx, other, 500)
        await invoicing.grant_credit(tx, customer_id=customer.id, amount=Money(500, "USD"), reason="", now=NOW)
        made = await an_invoice(tx, customer, 100)
        assert made.credit_applied is None
        assert await invoicing.credit_balance(tx, customer_id=customer.id) == {"USD": Money(500, "USD")}


async def test_a_void_gives_the_credit_back(open_tx, customer, balances):
    async with open_tx() as tx:
        await grants(tx, customer, 300)
        made = await an_invoice(tx, customer, 1_000)
        assert await left(tx, customer) == [0]
        [gone] = await invoicing.void(tx, refs=[made.ref], now=LATER)
        assert await left(tx, customer) == [300]
        assert await invoicing.void(tx, refs=[made.ref], now=LATER) == []
        assert await left(tx, customer) == [300]
    assert gone.credit_applied is None
    assert await balances() == {"customer_credit": -300, "write_offs": 300}


async def test_a_credit_note_is_never_void(open_tx, customer):
    async with open_tx() as tx:
        note = await an_invoice(tx, customer, -100)
        with pytest.raises(IsCreditNote):
            await invoicing.void(tx, refs=[note.ref], now=LATER)


async def test_too_little_to_collect_is_carried_to_the_next_invoice(open_tx, tenant, customer, balances):
    async with open_tx() as tx:
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, minimum_charges={"EUR": 50}), now=NOW)
        small = await an_invoice(tx, customer, 30)
        assert await payments.current(tx, invoices=[small.ref]) == {}
        assert await left(tx, customer) == [-30]
        still_small = await an_invoice(tx, customer, 15)
        assert await left(tx, customer) == [0, -45]
        made = await an_invoice(tx, customer, 100)
        payment = (await payments.current(tx, invoices=[made.ref]))[made.ref]
    assert (small.status, small.due.minor, still_small.status) == (Status.PAID, 0, Status.PAID)
    assert (made.total.minor, made.credit_applied.minor, made.due.minor) == (100, -45, 145)
    assert payment.amount == eur(145)
    assert await balances() == {"receivable": 145, "revenue": -145}


async def test_staff_credits_a_paid_invoice_whole_and_the_customer_has_credit(open_tx, customer, vat, balances):
    async with open_tx() as tx:
        made = await is_settled(tx, await an_invoice(tx, customer, 999, 250))
        before = await balances_of(tx)
        note = await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(), now=LATER)
        assert await left(tx, customer) == [made.total.minor]
        with pytest.raises(CreditTooLarge):
            await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(), now=LATER)
    assert before["revenue"] == -1_249
    assert (note.subtotal, note.tax, note.total) == (-made.subtotal, -made.tax, -made.total)
    assert [line.kind for line in note.lines] == [LineKind.CORRECTION] * 2
    assert [line.credits_line_id for line in note.lines] == [line.id for line in made.lines]
    assert (note.corrects_invoice_id, note.memo) == (made.id, "A mistake")
    assert {name: amount for name, amount in (await balances()).items() if name != "cash"} == {
        "customer_credit": -made.total.minor
    }


async def test_a_change_whose_note_took_its_own_credit_back_too_is_not_refunded_as_well(open_tx, customer, vat):
    async with open_tx() as tx:
        before = await is_settled(tx, await an_invoice(tx, customer, 2_900))
        back = a_line(-2_900, credits_line_id=before.lines[0].id)
        change = await is_settled(tx, await an_invoice(tx, customer, lines=(back, a_line(5_800))))
        await invoicing.credit_note(tx, invoice_id=change.id, correction=a_correction(), now=LATER)
        assert await left(tx, customer) == [change.total.minor] == [3_451]
        [paid] = (await payments.history(tx, query=PageQuery(), invoice_id=change.id)).items
        with pytest.raises(NothingToRefund):
            await payments.make_refund(tx, refund=NewRefund(payment_id=paid.id, reason="Again"), now=LATER)


async def balances_of(tx):
    rows = await tx.fetch("select account, sum(amount_minor)::bigint as amount from ledger.postings group by account")
    return {row["account"]: row["amount"] for row in rows}


async def test_a_line_is_credited_in_parts_that_add_up_to_it(open_tx, customer, vat):
    async with open_tx() as tx:
        made = await is_settled(tx, await an_invoice(tx, customer, 1_000))
        [line] = made.lines
        notes = []
        for amount in (333, 333, None):
            correction = a_correction(lines=((line.id, amount),))
            notes.append(await invoicing.credit_note(tx, invoice_id=made.id, correction=correction, now=LATER))
        for wrong, refusal in (
            ((line.id, 1), CreditTooLarge),
            ((line.id, 0), BadCreditAmount),
            ((made.id, 1), NoSuchLine),
        ):
            with pytest.raises(refusal):
                await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(lines=(wrong,)), now=LATER)
    assert [each.subtotal.minor for each in notes] == [-333, -333, -334]
    assert [each.tax.minor for each in notes] == [-63, -63, -64]
    assert sum(each.total.minor for each in notes) == -made.total.minor
    assert [each.number for each in notes] == [f"CN-2026-{number:05}" for number in (1, 2, 3)]


async def test_an_amount_is_spread_with_its_tax(open_tx, customer, vat):
    async with open_tx() as tx:
        made = await is_settled(tx, await an_invoice(tx, customer, 2_000, 1_000))
        note = await invoicing.credit_note(
            tx, invoice_id=made.id, correction=a_correction(amount_minor=1_000), now=LATER
        )
        more = a_correction(amount_minor=made.total.minor - 999)
        with pytest.raises(CreditTooLarge):
            await invoicing.credit_note(tx, invoice_id=made.id, correction=more, now=LATER)
    assert note.total.minor == -1_000
    assert [(each.amount.minor, each.tax.minor) for each in note.lines] == [
        (-561, -106),
        (-280, -53),
    ]  # 560.50 of 667, 279.83 of 333


async def test_an_open_invoice_owes_less_and_is_collected_anew(open_tx, customer, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000)
        [line] = made.lines
        first = (await payments.current(tx, invoices=[made.ref]))[made.ref]
        correction = a_correction(lines=((line.id, 400),))
        await invoicing.credit_note(tx, invoice_id=made.id, correction=correction, now=LATER)
        less = await invoicing.one(tx, invoice=made.id)
        second = (await payments.current(tx, invoices=[made.ref]))[made.ref]
        assert (await payments.get(tx, refs=[first.ref]))[first.ref].status is PaymentStatus.CANCELED
        assert await left(tx, customer) == []
    assert (less.status, less.credited.minor, less.due.minor) == (Status.OPEN, 400, 600)
    assert (second.amount, second.status) == (eur(600), PaymentStatus.AWAITING_CUSTOMER)
    assert await balances() == {"receivable": 600, "revenue": -600}
    async with open_tx() as tx:
        with pytest.raises(InvoiceIsPaid):
            await invoicing.void(tx, refs=[made.ref], now=LATER)
        await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(), now=LATER)
        assert (await invoicing.one(tx, invoice=made.id)).status is Status.PAID
    assert await balances() == {}


async def test_money_that_came_in_uncounted_is_counted_first(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000)
        await is_paid_for(tx, made)  # and invoicing has not heard of it
        with pytest.raises(InvoiceIsPaid):
            await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(amount_minor=10), now=LATER)


async def test_an_opened_checkout_is_for_the_old_amount(open_tx, customer, open_session):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000)
        await open_session(tx, made)
    with pytest.raises(PaymentInFlight):
        async with open_tx() as tx:
            await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(amount_minor=10), now=LATER)
    async with open_tx() as tx:
        assert (await invoicing.one(tx, invoice=made.id)).credited.minor == 0


@pytest.fixture
def open_session():
    async def opened(tx, invoice):
        await is_connected(tx)
        return await payments.open_session(tx, invoice_id=invoice.id, return_url="https://guilder.example", now=NOW)

    return opened


async def is_connected(tx):
    await gateways.connect(tx, gateway="simulated", name="Simulated", secret_key="sk_test_1", is_default=True, now=NOW)


async def test_void_and_given_up_invoices_are_not_credited(open_tx, customer):
    async with open_tx() as tx:
        void, lost = await an_invoice(tx, customer), await an_invoice(tx, customer)
        await invoicing.void(tx, refs=[void.ref], now=NOW)
        await invoicing.give_up(tx, refs=[lost.ref], now=NOW)
        for each in (void, lost):
            with pytest.raises(NotCreditable):
                await invoicing.credit_note(tx, invoice_id=each.id, correction=a_correction(), now=LATER)


async def test_a_credit_note_can_give_the_money_back(open_tx, customer, balances):
    async with open_tx() as tx:
        made = await is_settled(tx, await an_invoice(tx, customer, 1_000))
        correction = a_correction(amount_minor=400, give_back=GiveBack.REFUND)
        await invoicing.credit_note(tx, invoice_id=made.id, correction=correction, now=LATER)
        [refund] = (await payments.refunds(tx, query=PageQuery(limit=10, after=None))).items
        assert await left(tx, customer) == [0]
    assert refund.amount == eur(400)
    assert await balances() == {"cash": 1_000, "refunds": -400, "revenue": -600}
    async with open_tx() as tx:  # it does not go through
        for _ in range(2):
            await invoicing.take_back_pay_outs(tx, refunds=[refund.ref], now=LATER)
        assert await left(tx, customer) == [400]
    assert await balances() == {"cash": 1_000, "customer_credit": -400, "revenue": -600}


async def test_credit_is_paid_out_as_far_as_payments_take_it(open_tx, customer):
    async with open_tx() as tx:
        await grants(tx, customer, 300, 500)
        with pytest.raises(NothingRefundable):
            await invoicing.pay_out_credit(tx, customer_id=customer.id, currency="EUR", reason="", now=LATER)
        await is_settled(tx, await an_invoice(tx, customer, 1_400, takes_credit=False))
        with pytest.raises(NotEnoughCredit):
            await invoicing.pay_out_credit(
                tx, customer_id=customer.id, currency="EUR", amount=eur(801), reason="", now=LATER
            )
        [refund] = await invoicing.pay_out_credit(
            tx, customer_id=customer.id, currency="EUR", amount=eur(700), reason="asked", now=LATER
        )
        assert refund.amount == eur(700)
        assert await left(tx, customer) == [0, 100]


async def test_what_is_not_earned_yet_is_taken_back_out_of_what_is_deferred(open_tx, customer, balances):
    async with open_tx() as tx:
        fee = a_line(700, kind=LineKind.RECURRING, period=MARCH)
        made = await is_settled(tx, await an_invoice(tx, customer, lines=(fee,)))
        await invoicing.credit_note(tx, invoice_id=made.id, correction=a_correction(amount_minor=300), now=NOW)
    assert (await balances())["deferred_revenue"] == -400


@pytest.mark.shows("LAW immutability")
async def test_the_seal_is_on_the_note_too(open_tx, customer, vat):
    async with open_tx() as tx:
        note = await an_invoice(tx, customer, -1_000, memo="Sorry")
        read = await invoicing.one(tx, invoice=note.id)
        sealed = await tx.fetchval("select content_sha256 from invoicing.invoices")
    assert read == note
    assert numbering.seal(read, read.number) == sealed
    assert numbering.seal(replace(read, memo=""), read.number) != sealed
