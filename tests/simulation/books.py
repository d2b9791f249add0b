"""The verbs of L1: what the rooms do in one transaction each, with the product's rules and the model's rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.gateways.model import Asked, GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.gateways.rules import asking
from guilder.domain.payments.model import Answer, Payment, Refund, RefundStatus, Status, Via
from guilder.domain.payments.rules import collecting
from guilder.domain.payments.rules.collecting import NO_METHOD, START_WITHIN, Plan
from guilder.domain.payments.rules.lifecycle import Step, after
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.simulation.cases import Dunning
from tests.simulation.engine import Sim, Violation
from tests.simulation.protocol import Protocol
from tests.simulation.provider import Provider
from tests.simulation.storage import Store, Tx

ACCOUNT = UUID(int=2**100)
IN_FLIGHT = frozenset(Status) - {Status.SUCCEEDED, Status.DECLINED, Status.CANCELED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    id: UUID
    tenant_id: TenantId
    customer_id: CustomerId
    number: int
    item: tuple[Any, ...]
    total: Money
    status: str = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    kind: RequestKind
    business_key: str
    id: UUID
    step: str
    due_s: float
    state: str = "waiting"
    attempts: int = 0
    fence: int = 0
    is_leased: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    invoice_id: UUID
    about: Any = None
    at: datetime | None = None


@dataclass
class Books:
    """One installation: its rows and its provider."""

    sim: Sim
    store: Store
    provider: Provider
    protocol: Protocol

    def __post_init__(self) -> None:
        self.dunning = Dunning(self)

    async def collect(self, tx: Tx, invoice: Invoice, via: Via) -> Payment | None:
        """Do what `payments.collect` does; the lock stands for the row locks and for the unique index of holders."""
        attempts: tuple[Payment, ...] = await tx.lock("payments", invoice.id) or ()
        holder = next((p for p in attempts if p.holds_invoice), None)
        token = tx.get("methods", invoice.customer_id)
        via = collecting.resolve(via, has_method=token is not None)
        plan = self.protocol.plan(holder, via, has_method=token is not None)
        if plan is Plan.REPLACE_THERE:
            assert holder is not None
            await self._give_up(tx, replace(holder, again_via=via), keeps_hold=True)
        if plan is Plan.REPLACE_HERE:
            assert holder is not None
            await self._give_up(tx, holder, keeps_hold=False)
        if plan in {Plan.BEGIN, Plan.FAIL, Plan.REPLACE_HERE}:
            await self._begin(tx, invoice, via, has_method=token is not None)
        now: tuple[Payment, ...] = tx.get("payments", invoice.id) or ()
        return next((p for p in now if p.holds_invoice), now[-1] if now else None)

    async def start(self, tx: Tx, invoice_id: UUID, attempt: int) -> None:
        payment = self._payment(await tx.lock("payments", invoice_id), attempt)
        if payment.status is not Status.REQUESTED or payment.via is not Via.SAVED or payment.is_asked:
            return
        token = tx.get("methods", payment.customer_id)
        begun = replace(payment, gateway="simulated", account_id=ACCOUNT, check_due_at=None)
        self._save(tx, begun)
        await self.request(tx, self._request(begun, RequestKind.CHARGE, token=token or ""))

    async def open_session(self, tx: Tx, invoice_id: UUID) -> None:
        attempts = await tx.lock("payments", invoice_id) or ()
        holder = next((p for p in attempts if p.holds_invoice), None)
        if holder is None or not self.protocol.needs_session(holder, now=self.sim.now):
            return
        opened = replace(
            holder,
            status=after(holder.status, Step.OPEN),
            account_id=ACCOUNT,
            gateway="simulated",
            opened_at=self.sim.now,
            action_url="",
            decline_code="",
        )
        self._save(tx, opened)
        await self.request(tx, self._request(opened, RequestKind.CHARGE))

    async def void(self, tx: Tx, invoice_id: UUID) -> bool:
        invoice = await tx.lock("invoices", invoice_id)
        if invoice.status != "open":
            return False
        attempts = await tx.lock("payments", invoice_id) or ()
        for payment in attempts:
            if payment.holds_invoice and payment.status is not Status.SUCCEEDED:
                await self._give_up(tx, replace(payment, again_via=None), keeps_hold=False)
        if self._paid(tx.get("payments", invoice_id) or ()):
            return False
        tx.put("invoices", invoice_id, replace(invoice, status="void"))
        tx.announce(invoice_id, Event("InvoiceVoided", invoice_id, at=self.sim.now))
        return True

    async def refund(self, tx: Tx, invoice_id: UUID, attempt: int, share: int) -> None:
        payment = self._payment(await tx.lock("payments", invoice_id), attempt)
        if payment.status is not Status.SUCCEEDED:
            return
        left = payment.amount.minor - self._refunded(tx, payment)
        if left > 0:
            await self._refund(tx, payment, Money(max(1, left * share // 100), payment.amount.currency))

    async def look_after(self, tx: Tx, invoice_id: UUID) -> None:
        for payment in await tx.lock("payments", invoice_id) or ():
            if payment.check_due_at is None or payment.check_due_at > self.sim.now:
                continue
            is_to_start = payment.status is Status.REQUESTED and payment.via is Via.SAVED and not payment.is_asked
            next_at = self.protocol.stale_check(payment.requested_at, now=self.sim.now) if is_to_start else None
            self._save(tx, replace(payment, check_due_at=next_at))
            await self.start(tx, invoice_id, payment.attempt)

    async def record(self, tx: Tx, invoice_id: UUID, answer: Answer) -> None:
        """Do what `payments.record` does with one answer."""
        if answer.kind is RequestKind.REFUND:
            await self._record_refund(tx, invoice_id, answer)
            return
        attempts: tuple[Payment, ...] = await tx.lock("payments", invoice_id) or ()
        before = {p.ref: p for p in attempts}
        was = next((p for p in attempts if p.business_key == answer.business_key), None)
        if was is None:
            return
        now = self.protocol.told(was, answer)
        if now == was:
            return
        succeeds = now.status is Status.SUCCEEDED and was.status is not Status.SUCCEEDED
        if succeeds:
            now, loser = self.protocol.holding(now, before, {was.ref: now})
            if loser is not None:
                await self._give_up(tx, loser, keeps_hold=False)
        self._save(tx, now)
        if succeeds:
            tx.post(("payment", now.business_key))
            tx.announce(invoice_id, Event("PaymentSucceeded", invoice_id, at=answer.at))
            if now.is_overpayment and self.protocol.returns_overpayments:
                await self._refund(tx, now, now.amount)
        if now.status is Status.DECLINED and was.status is not Status.DECLINED:
            tx.announce(invoice_id, Event("PaymentFailed", invoice_id, now, answer.at))
        if now.status is Status.CANCELED and was.status is not Status.CANCELED and now.again_via:
            await self.collect(tx, tx.get("invoices", invoice_id), now.again_via)

    async def settle(self, tx: Tx, invoice_id: UUID, at: datetime) -> None:
        invoice = await tx.lock("invoices", invoice_id)
        paid = self._paid(tx.get("payments", invoice_id) or ())
        if invoice.status == "open" and paid >= invoice.total.minor:
            tx.put("invoices", invoice_id, replace(invoice, status="paid"))
            tx.announce(invoice_id, Event("InvoicePaid", invoice_id, at=at))

    async def request(self, tx: Tx, request: GatewayRequest) -> None:
        """Do what `gateways.request` does: asking under the same key again is asking for the same thing."""
        key, now = (request.kind, request.business_key), self.sim.now
        if request.kind is RequestKind.CANCEL:
            charge = await tx.lock("requests", (RequestKind.CHARGE, request.business_key))
            if charge is not None:
                tx.put("requests", (RequestKind.CHARGE, request.business_key), replace(charge, is_withdrawn=True))
        known: Asked | None = await tx.lock("requests", key)
        check_at = now + asking.CHECK_FIRST
        if known is None:
            asked = Asked(
                request=request,
                outcome=None,
                decline_code="",
                is_hard_decline=False,
                is_withdrawn=False,
                is_settled=False,
                tries=0,
                sessions=0,
                requested_at=now,
                check_due_at=check_at,
            )
        else:
            asked = replace(
                known,
                sessions=known.sessions + 1,
                requested_at=now,
                check_due_at=None if known.is_settled else check_at,
            )
        tx.put("requests", key, asked)
        tx.announce(
            _invoice_of(request.business_key), Event("GatewayRequested", _invoice_of(request.business_key), key)
        )

    async def intend(self, tx: Tx, key: tuple[RequestKind, str]) -> None:
        """Write the intent; one that is done begins anew."""
        row: IntentRow | None = await tx.lock("intents", key)
        first, now = asking.FIRST_STEPS[key[0]], self.sim.seconds
        if row is None:
            row = IntentRow(kind=key[0], business_key=key[1], id=self.sim.id(), step=first, due_s=now)
        elif row.state != "waiting":
            row = replace(row, state="waiting", step=first, attempts=0, due_s=now, is_leased=False)
        tx.put("intents", key, row)

    async def look_again(self, tx: Tx, key: tuple[RequestKind, str]) -> None:
        if not tx.try_lock("requests", key):
            return
        asked: Asked = tx.get("requests", key)
        if asked.check_due_at is None or asked.check_due_at > self.sim.now:
            return
        next_at = self.protocol.next_check(asked, now=self.sim.now)
        tx.put("requests", key, replace(asked, check_due_at=next_at, tries=max(asked.tries, asking.TRIES_MAX)))
        if next_at is not None:
            await self.intend(tx, key)

    async def _begin(self, tx: Tx, invoice: Invoice, via: Via, *, has_method: bool) -> None:
        attempts: tuple[Payment, ...] = tx.get("payments", invoice.id) or ()
        self._refuse_too_early(tx, attempts)
        is_stranded = via is Via.SAVED and not has_method
        payment = Payment(
            tenant_id=invoice.tenant_id,
            id=self.sim.id(),
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            attempt=len(attempts) + 1,
            amount=invoice.total,
            status=Status.AWAITING_CUSTOMER if via is Via.LINK else Status.REQUESTED,
            via=via,
            gateway="",
            account_id=None,
            payment_method_id=None,
            requested_at=self.sim.now,
            check_due_at=self.sim.now + START_WITHIN if via is Via.SAVED else None,
        )
        if is_stranded:
            payment = replace(
                payment,
                status=Status.DECLINED,
                decline_code=NO_METHOD,
                holds_invoice=False,
                settled_at=self.sim.now,
                check_due_at=None,
            )
        tx.put("payments", invoice.id, (*attempts, payment))
        if is_stranded:
            tx.announce(invoice.id, Event("PaymentFailed", invoice.id, payment, self.sim.now))
        elif via is Via.SAVED:
            tx.announce(invoice.id, Event("PaymentRequested", invoice.id, payment.attempt))

    def _refuse_too_early(self, tx: Tx, attempts: tuple[Payment, ...]) -> None:
        """I22: attempt n+1 is made when money can come of attempt n no more."""
        for each in attempts:
            charge: Asked | None = tx.get("requests", (RequestKind.CHARGE, each.business_key))
            if self.provider.is_live(each.business_key, is_withdrawn=charge is None or charge.is_withdrawn):
                raise Violation("I22", f"attempt {len(attempts) + 1} while {each.business_key} is open at the provider")

    async def _give_up(self, tx: Tx, payment: Payment, *, keeps_hold: bool) -> None:
        if not payment.is_asked:
            done = replace(
                payment,
                status=after(payment.status, Step.CANCEL),
                holds_invoice=False,
                settled_at=self.sim.now,
                check_due_at=None,
            )
            self._save(tx, done)
            return
        status = after(payment.status, Step.GIVE_UP)
        given_up = replace(payment, status=status, holds_invoice=keeps_hold, action_url="", check_due_at=None)
        self._save(tx, given_up)
        await self.request(tx, self._request(given_up, RequestKind.CANCEL))

    async def _refund(self, tx: Tx, payment: Payment, amount: Money) -> None:
        made = Refund(
            tenant_id=payment.tenant_id,
            id=self.sim.id(),
            payment_id=payment.id,
            invoice_id=payment.invoice_id,
            customer_id=payment.customer_id,
            amount=amount,
            status=RefundStatus.PENDING,
            reason="",
            asked_at=self.sim.now,
        )
        of_payment = await tx.lock("refunds", payment.business_key) or ()
        tx.put("refunds", payment.business_key, (*of_payment, made))
        # The business key names the invoice and the attempt too, so that a notice finds its rows here.
        key = f"{payment.business_key}:refund:{made.id}"
        await self.request(tx, replace(self._request(payment, RequestKind.REFUND), business_key=key, amount=amount))

    async def _record_refund(self, tx: Tx, invoice_id: UUID, answer: Answer) -> None:
        payment_key, _, refund_id = answer.business_key.partition(":refund:")
        await tx.lock("payments", invoice_id)
        refunds = list(await tx.lock("refunds", payment_key) or ())
        for place, refund in enumerate(refunds):
            if str(refund.id) != refund_id or refund.status is not RefundStatus.PENDING:
                continue
            if answer.outcome.kind is OutcomeKind.SUCCEEDED and answer.outcome.amount == refund.amount:
                refunds[place] = replace(refund, status=RefundStatus.SUCCEEDED, settled_at=answer.at)
                tx.post(("refund", refund.id))
            elif answer.outcome.kind in {OutcomeKind.DECLINED, OutcomeKind.CANCELED}:
                refunds[place] = replace(refund, status=RefundStatus.FAILED, settled_at=answer.at)
        tx.put("refunds", payment_key, tuple(refunds))

    def _refunded(self, tx: Tx, payment: Payment) -> int:
        counting = {RefundStatus.PENDING, RefundStatus.SUCCEEDED}
        return sum(r.amount.minor for r in tx.get("refunds", payment.business_key) or () if r.status in counting)

    def _save(self, tx: Tx, payment: Payment) -> None:
        if payment.action_url:
            self.provider.objects[payment.provider_ref].is_shown = True
        attempts = tx.get("payments", payment.invoice_id)
        kept = tuple(payment if each.id == payment.id else each for each in attempts)
        tx.put("payments", payment.invoice_id, kept)

    def _payment(self, attempts: tuple[Payment, ...], attempt: int) -> Payment:
        return attempts[attempt - 1]

    def _paid(self, attempts: tuple[Payment, ...]) -> int:
        return sum(p.amount.minor for p in attempts if p.status is Status.SUCCEEDED and not p.is_overpayment)

    def _request(self, payment: Payment, kind: RequestKind, *, token: str = "") -> GatewayRequest:
        return GatewayRequest(
            tenant_id=payment.tenant_id,
            id=self.sim.id(),
            account_id=ACCOUNT,
            gateway="simulated",
            kind=kind,
            business_key=payment.business_key,
            subject_id=payment.id,
            customer_id=payment.customer_id,
            amount=payment.amount,
            method_token=token,
            provider_ref="" if kind is RequestKind.CHARGE else payment.provider_ref,
            is_on_session=payment.via is Via.LINK,
        )


def _invoice_of(business_key: str) -> UUID:
    return UUID(business_key.split(":")[1])
