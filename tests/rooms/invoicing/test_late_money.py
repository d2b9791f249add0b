"""Money that comes for an invoice that is void by then, or owes less: it goes back by itself, and pays nothing."""

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Settled, Status
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentOverpaid
from guilder.domain.payments.model import Answer, RefundReason, RefundStatus, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, a_line, an_invoice


def said(about, kind, outcome):
    return Answer(tenant_id=about.tenant_id, business_key=about.business_key, kind=kind, outcome=outcome, at=NOW)


async def test_a_decline_that_was_none_is_given_back_when_its_invoice_is_void(open_tx, customer, balances):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
        await gateways.connect(
            tx, gateway="simulated", name="Simulated", secret_key="sk_test_1", is_default=True, now=NOW
        )
        opened = await payments.open_session(tx, invoice_id=made.id, return_url="https://guilder.example", now=NOW)
        no = Outcome(kind=OutcomeKind.DECLINED, decline_code="generic_decline", provider_ref="pi_1")
        [declined] = await payments.record(tx, answers=[said(opened, RequestKind.CHARGE, no)], now=NOW)
        assert declined.status is PaymentStatus.DECLINED
        await invoicing.void(tx, refs=[made.ref], now=NOW)
        yes = replace(no, kind=OutcomeKind.SUCCEEDED, amount=made.total, charge_ref="ch_1")
        [paid] = await payments.record(tx, answers=[said(opened, RequestKind.CHARGE, yes)], now=NOW)
    settled = Settled(tenant_id=made.tenant_id, invoice_id=made.id, payment_id=paid.id, settled_at=NOW)
    for told in (1, 0):
        async with open_tx() as tx:
            assert await invoicing.settle(tx, settled=[settled], now=NOW) == []
            assert len([each for each in tx.outbox if isinstance(each.event, PaymentOverpaid)]) == told
    async with open_tx() as tx:
        [back] = (await payments.refunds(tx, query=PageQuery())).items
        assert (back.amount, back.reason_code, back.status, back.is_overpayment) == (
            made.total,
            RefundReason.PAID_AFTER_CANCEL,
            RefundStatus.PENDING,
            True,
        )
        gone = Outcome(kind=OutcomeKind.SUCCEEDED, amount=made.total, provider_ref="re_1")
        await payments.record_refunds(tx, answers=[said(back, RequestKind.REFUND, gone)], now=NOW)
        after = await invoicing.one(tx, invoice=made.id)
    assert (after.status, after.paid.minor) == (Status.VOID, 0)
    assert await balances() == {}


@pytest.mark.parametrize(("noted", "status", "due"), [(1_000, Status.PAID, 0), (400, Status.OPEN, 600)])
async def test_a_decline_that_was_none_is_given_back_when_its_invoice_owes_less(
    open_tx, customer, balances, noted, status, due
):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer)
        await gateways.connect(
            tx, gateway="simulated", name="Simulated", secret_key="sk_test_1", is_default=True, now=NOW
        )
        opened = await payments.open_session(tx, invoice_id=made.id, return_url="https://guilder.example", now=NOW)
        no = Outcome(kind=OutcomeKind.DECLINED, decline_code="generic_decline", provider_ref="pi_1")
        await payments.record(tx, answers=[said(opened, RequestKind.CHARGE, no)], now=NOW)
        correction = invoicing.Correction(reason="Sorry", amount_minor=noted)
        await invoicing.credit_note(tx, invoice_id=made.id, correction=correction, by_two=True, now=NOW)
        yes = replace(no, kind=OutcomeKind.SUCCEEDED, amount=made.total, charge_ref="ch_1")
        [paid] = await payments.record(tx, answers=[said(opened, RequestKind.CHARGE, yes)], now=NOW)
    settled = Settled(tenant_id=made.tenant_id, invoice_id=made.id, payment_id=paid.id, settled_at=NOW)
    for _ in range(2):
        async with open_tx() as tx:
            assert await invoicing.settle(tx, settled=[settled], now=NOW) == []
    async with open_tx() as tx:
        [back] = (await payments.refunds(tx, query=PageQuery())).items
        assert (back.amount, back.reason_code) == (made.total, RefundReason.PAID_AFTER_CANCEL)
        gone = Outcome(kind=OutcomeKind.SUCCEEDED, amount=made.total, provider_ref="re_1")
        await payments.record_refunds(tx, answers=[said(back, RequestKind.REFUND, gone)], now=NOW)
        after = await invoicing.one(tx, invoice=made.id)
    assert (after.status, after.paid.minor, after.due.minor) == (status, 0, due)
    assert (await balances()).get("receivable", 0) == due


@pytest.mark.parametrize("is_given_up_first", [True, False])
async def test_what_did_not_come_in_is_no_credit_whoever_hears_of_it_first(
    open_tx, customer, balances, is_given_up_first
):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 3_000)
        await gateways.connect(
            tx, gateway="simulated", name="Simulated", secret_key="sk_test_1", is_default=True, now=NOW
        )
        opened = await payments.open_session(tx, invoice_id=made.id, return_url="https://guilder.example", now=NOW)
        unused = a_draft(customer, lines=(a_line(-1_500, credits_line_id=made.lines[0].id),))
        await invoicing.finalize(tx, drafts=[unused], via=Via.LINK, now=NOW)
        no = Outcome(kind=OutcomeKind.DECLINED, decline_code="stolen_card", provider_ref="pi_1")
        await payments.record(tx, answers=[said(opened, RequestKind.CHARGE, no)], now=NOW)
    heard = [invoicing.give_up, invoicing.pay_with_what_notes_gave]
    for verb in heard if is_given_up_first else reversed(heard):
        async with open_tx() as tx:
            await verb(tx, refs=[made.ref], now=NOW)
    assert await balances() == {"revenue": -1_500, "write_offs": 1_500}
    async with open_tx() as tx:
        after = await invoicing.one(tx, invoice=made.id)
        assert (after.status, after.due.minor) == (Status.UNCOLLECTIBLE, 1_500)
        assert (await invoicing.credit_balance(tx, customer_id=customer.id))["EUR"].minor == 0
