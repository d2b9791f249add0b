"""Invoices, and the money that comes in for them."""

from typing import Any
from uuid import uuid4

from guilder.domain.customers.model import Customer
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Draft, Invoice, LineKind, NewLine
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, Payment, Via
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


def a_line(amount: int = 1_000, **over: Any) -> NewLine:
    """Bill `amount` minor units of EUR for something that was never billed before."""
    said = {
        "kind": LineKind.CHARGE,
        "description": "Setting up",
        "amount": Money(amount, "EUR"),
        "unit_amount": Money(amount, "EUR"),
        "billed_item": f"test:{uuid4()}",
    }
    return NewLine(**{**said, **over})


def a_draft(customer: Customer, *amounts: int, **over: Any) -> Draft:
    said = {
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "currency": "EUR",
        "lines": tuple(a_line(amount) for amount in amounts or (1_000,)),
        "issued_at": NOW,
    }
    return Draft(**{**said, **over})


async def an_invoice(tx: Tx, customer: Customer, *amounts: int, **over: Any) -> Invoice:
    """Make an open invoice, to be paid by link."""
    now = over.pop("now", NOW)
    [made] = await invoicing.finalize(tx, drafts=[a_draft(customer, *amounts, **over)], via=Via.LINK, now=now)
    return made


async def is_paid_for(tx: Tx, invoice: Invoice, **over: Any) -> Payment:
    """Have the customer pay by the link: the provider says that it has the money, and nobody has heard of it yet."""
    now = over.pop("now", NOW)
    if invoice.tenant_id not in await gateways.default_account(tx, tenant_ids=[invoice.tenant_id]):
        await gateways.connect(
            tx, gateway="simulated", name="Simulated", secret_key="sk_test_1", is_default=True, now=now
        )
    opened = await payments.open_session(tx, invoice_id=invoice.id, return_url="https://guilder.example", now=now)
    outcome = Outcome(
        kind=OutcomeKind.SUCCEEDED,
        provider_ref=f"pi_{uuid4().hex}",
        charge_ref=f"ch_{uuid4().hex}",
        amount=invoice.total,
        card=CardDetails(token=f"pm_{uuid4().hex}", brand="visa", last4="4242", exp_month=12, exp_year=2031),
    )
    answer = Answer(
        tenant_id=invoice.tenant_id,
        business_key=opened.business_key,
        kind=RequestKind.CHARGE,
        outcome=outcome,
        at=now,
    )
    [paid] = await payments.record(tx, answers=[answer], now=now)
    return paid
