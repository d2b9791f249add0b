"""A shop: one tenant with its rooms wired by hand, a clock set by hand, and a bank that answers as it is told.

Everything is the real thing but for the provider: what is asked of it is answered by `bank`.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from guilder.domain.catalog.model import Plan
from guilder.domain.customers.model import Customer
from guilder.domain.dunning import handlers as dunning
from guilder.domain.dunning import jobs as dunning_jobs
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.events import GatewayRequested
from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind, RequestKind
from guilder.domain.identity.model import Tenant
from guilder.domain.invoicing import handlers as invoicing
from guilder.domain.invoicing import jobs as invoicing_jobs
from guilder.domain.invoicing import service as invoices
from guilder.domain.invoicing.events import InvoicePaid, InvoiceVoided
from guilder.domain.orders import handlers as orders
from guilder.domain.orders import jobs as orders_jobs
from guilder.domain.orders import service
from guilder.domain.orders.events import ChargeRequested
from guilder.domain.orders.model import Answer as OrderAnswer
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import (
    PaymentCanceled,
    PaymentFailed,
    PaymentMethodAdded,
    PaymentMethodDefaultChanged,
    PaymentMethodUpdated,
    PaymentRequested,
    PaymentSucceeded,
)
from guilder.domain.payments.model import Answer, Payment, PaymentMethod
from guilder.domain.subscriptions.events import SubscriptionEnded
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import Ref
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant

T = TypeVar("T")
Bank = Callable[[Payment], Outcome]

BASE_URL = "https://billing.example.com"
REACTIONS: dict[type[Event], list[Callable[..., Awaitable[None]]]] = {
    PaymentSucceeded: [invoicing.on_payment_succeeded],
    ChargeRequested: [orders.on_charge_requested],
    PaymentFailed: [dunning.on_payment_failed, orders.on_payment_failed],
    InvoicePaid: [orders.on_invoice_paid, dunning.on_invoice_paid],
    InvoiceVoided: [orders.on_invoice_voided, dunning.on_invoice_voided],
    PaymentCanceled: [dunning.on_payment_canceled],
    PaymentMethodAdded: [dunning.on_payment_method_added],
    PaymentMethodUpdated: [dunning.on_payment_method_updated],
    PaymentMethodDefaultChanged: [dunning.on_default_method_changed],
    SubscriptionEnded: [orders.on_subscription_stopped],
}
# In the order of the timetable: what falls due at one instant is billed first.
JOBS = (
    ("subscriptions.due", invoicing_jobs.bill_due),
    ("subscriptions.segments_due", invoicing_jobs.bill_segments_due),
    ("dunning.resumes_due", dunning_jobs.resume),
    ("dunning.retries_due", dunning_jobs.retry),
    ("dunning.reminders_due", dunning_jobs.remind),
    ("dunning.blocks_due", dunning_jobs.block),
    ("orders.abandon_due", orders_jobs.abandon),
)


def says_yes(payment: Payment) -> Outcome:
    return Outcome(kind=OutcomeKind.SUCCEEDED, amount=payment.amount, provider_ref=f"pi_{payment.id.hex}")


def says_no(payment: Payment) -> Outcome:
    return Outcome(kind=OutcomeKind.DECLINED, decline_code="insufficient_funds")


def says_never(payment: Payment) -> Outcome:
    return Outcome(kind=OutcomeKind.DECLINED, decline_code="lost_card", is_hard_decline=True)


@dataclass
class Shop:
    database: Database
    tenant: Tenant
    now: datetime = NOW
    bank: Bank = says_yes
    heard: list[Event] = field(default_factory=list)
    charged_at: list[datetime] = field(default_factory=list)
    pending: list[tuple[Event, datetime]] = field(default_factory=list)

    async def act(self, verb: Callable[[Tx], Awaitable[T]]) -> T:
        """Do something in a transaction of its own; what it announces waits for `drain`."""
        async with self.database.transaction([self.tenant.tenant_id], actor="test") as tx:
            result = await verb(tx)
            said = [(each.event, each.occurred_at) for each in tx.outbox]
        self.heard += [event for event, _ in said]
        self.pending += said
        return result

    async def drain(self) -> None:
        """Deliver all that was announced, and what comes of it, to the rooms and the bank."""
        while self.pending:
            event, occurred_at = self.pending.pop(0)
            if isinstance(event, PaymentRequested):
                await self._start(Ref(event.tenant_id, event.payment_id))
            elif isinstance(event, GatewayRequested):
                await self._answer(event)
            for handler in REACTIONS.get(type(event), []):
                await self.tell(handler, [event], occurred_at=occurred_at)

    async def tell(
        self, handler: Callable[..., Awaitable[None]], events: Sequence[Event], *, occurred_at: datetime | None = None
    ) -> None:
        messages = [
            Message(id=UUID(int=secrets.randbits(128)), event=event, occurred_at=occurred_at or self.now, actor="test")
            for event in events
        ]
        await self.act(lambda tx: handler(tx, messages, now=self.now))

    async def advance(self, to: datetime) -> None:
        """Go to an instant, doing what falls due on the way at the instant when it does."""
        while (due := await self._next_due()) and due[0] <= to:
            self.now = max(self.now, due[0])
            for find, run in JOBS:
                refs = await self._due(find)
                if refs:
                    await self._run(run, refs)
            await self.drain()
        self.now = to

    async def customer(self, **over: Any) -> Customer:
        return await self.act(lambda tx: a_customer(tx, now=self.now, **over))

    async def plan(self, **over: Any) -> Plan:
        return await self.act(lambda tx: a_plan(tx, now=self.now, **over))

    async def card(self, customer: Customer, *, last4: str = "4242") -> PaymentMethod:
        """Save a card that its provider has validated."""
        token = f"pm_test_{last4}"

        async def save(tx: Tx) -> PaymentMethod:
            made = await payments.add_method(tx, customer_id=customer.id, token=token, now=self.now)
            card = CardDetails(token=token, brand="visa", last4=last4, exp_month=12, exp_year=2034)
            yes = Outcome(kind=OutcomeKind.SUCCEEDED, card=card)
            answer = Answer(
                tenant_id=made.tenant_id,
                business_key=made.business_key,
                kind=RequestKind.SETUP,
                outcome=yes,
                at=self.now,
            )
            await payments.record_setups(tx, answers=[answer], now=self.now)
            return await payments.method(tx, method_id=made.id)

        return await self.act(save)

    async def subscribe(self, customer: Customer, to: Plan, **over: Any) -> OrderAnswer:
        """Subscribe, and let everything that follows from it happen."""
        answer = await self.act(lambda tx: self.subscribed(tx, customer, to, **over))
        await self.drain()
        return answer

    async def subscribed(self, tx: Tx, customer: Customer, to: Plan, **over: Any) -> OrderAnswer:
        said = {"organization_id": customer.organization_id, "plan": to.code, "asked": asked()}
        if "trial_days" in over:
            over["start"] = service.Start(trial_days=over.pop("trial_days"))
        return await service.subscribe(tx, sign_up=service.SignUp(**{**said, **over}), now=self.now)

    async def number(self, answer: OrderAnswer) -> str:
        """Return the number of an order's invoice, which it got at the commit."""
        assert answer.invoice is not None
        invoice_id = answer.invoice.id
        number = (await self.act(lambda tx: invoices.one(tx, invoice=invoice_id))).number
        assert number is not None
        return number

    async def pays_by_link(self, answer: OrderAnswer, outcome: Outcome | None = None) -> None:
        """Open the payment page of an order and pay there."""
        opened = await self.opens(answer)
        await self.record(opened, outcome or says_yes(opened))

    async def opens(self, answer: OrderAnswer) -> Payment:
        """Open the payment page of an order, and leave it open."""
        invoice = answer.invoice
        assert invoice is not None
        opened = await self.act(
            lambda tx: service.open_checkout(tx, invoice_id=invoice.id, return_url=f"{BASE_URL}/back", now=self.now)
        )
        await self.drain()
        return opened

    async def record(self, payment: Payment, outcome: Outcome) -> None:
        await self.comes_in(payment, outcome)
        await self.drain()

    async def comes_in(self, payment: Payment, outcome: Outcome) -> None:
        """Record what a provider says; what comes of it is not heard yet."""
        answer = Answer(
            tenant_id=payment.tenant_id,
            business_key=payment.business_key,
            kind=RequestKind.CHARGE,
            outcome=outcome,
            at=self.now,
        )
        await self.act(lambda tx: payments.record(tx, answers=[answer], now=self.now))

    def names(self) -> list[str]:
        return [event.name for event in self.heard]

    async def _start(self, ref: Ref) -> None:
        await self.act(lambda tx: payments.start(tx, refs=[ref], now=self.now))

    async def _run(self, job: Callable[..., Awaitable[int]], refs: Sequence[Ref]) -> None:
        await self.act(lambda tx: job(tx, refs, now=self.now))

    async def _answer(self, event: GatewayRequested) -> None:
        if event.kind == RequestKind.CHARGE:
            payment = await self.act(lambda tx: payments.one(tx, payment_id=event.subject_id))
            if payment.via == "link":
                outcome = Outcome(kind=OutcomeKind.REQUIRES_ACTION, action_url="https://pay.example.com/session")
            else:
                self.charged_at.append(self.now)
                outcome = self.bank(payment)
        elif event.kind == RequestKind.CANCEL:
            outcome = Outcome(kind=OutcomeKind.CANCELED)
        else:
            return
        answer = Answer(
            tenant_id=event.tenant_id,
            business_key=event.business_key,
            kind=RequestKind(event.kind),
            outcome=outcome,
            at=self.now,
        )
        await self.act(lambda tx: payments.record(tx, answers=[answer], now=self.now))

    async def _due(self, find: str) -> list[Ref]:
        async with self.database.transaction(actor="test", keep=False) as tx:
            rows = await tx.fetch(f"select * from {find}($1, $2, 100)", self.tenant.tenant_id, self.now)
        return [Ref(row["tenant_id"], row["id"]) for row in rows]

    async def _next_due(self) -> list[datetime]:
        instants = []
        async with self.database.transaction(actor="test", keep=False) as tx:
            for find, _ in JOBS:
                instants += [
                    row["due_at"]
                    for row in await tx.fetch(f"select * from {find}($1, 'infinity', 1)", self.tenant.tenant_id)
                ]
        return sorted(instants)


def asked(**over: Any) -> service.Asked:
    return service.Asked(**{"base_url": BASE_URL, **over})


async def a_shop(database: Database, *, now: datetime = NOW, **over: Any) -> Shop:
    """Open a shop that can be paid at."""
    tenant = await new_tenant(database, **over)
    shop = Shop(database, tenant, now=now)
    await shop.act(
        lambda tx: gateways.connect(
            tx, gateway="simulated", name="Test", secret_key="sk_test", is_default=True, now=now
        )
    )
    shop.pending.clear()
    shop.heard.clear()
    return shop


def days(count: float) -> timedelta:
    return timedelta(days=count)
