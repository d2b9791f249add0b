"""Dunning in L1: cases by the product's rules, tried again by the clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from guilder.domain.dunning.model import Case, Failure, Policy
from guilder.domain.dunning.model import Status as CaseStatus
from guilder.domain.dunning.rules import progress
from guilder.domain.dunning.rules.lifecycle import FINAL
from guilder.domain.dunning.rules.lifecycle import Step as CaseStep
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.rules.collecting import NO_METHOD
from tests.simulation.storage import Tx

if TYPE_CHECKING:
    from tests.simulation.books import Books


@dataclass
class Dunning:
    books: "Books"

    async def failed(self, tx: Tx, payment: Payment, at: datetime) -> None:
        """Do what `dunning.failed` does."""
        if payment.via is Via.LINK and payment.decline_code != NO_METHOD:
            return
        case: Case | None = await tx.lock("cases", payment.invoice_id)
        invoice = await tx.lock("invoices", payment.invoice_id)
        if invoice.status != "open" or not await tx.insert("failures", payment.business_key, payment.id):
            return
        failure = Failure(
            tenant_id=payment.tenant_id,
            payment_id=payment.id,
            invoice_id=payment.invoice_id,
            customer_id=payment.customer_id,
            decline_code=payment.decline_code,
            is_hard=payment.is_hard_decline,
            failed_at=payment.settled_at or at,
            attempt=payment.attempt,
        )
        policy = Policy(tenant_id=payment.tenant_id)
        if case is None:
            case = self.books.protocol.case_opened(
                failure,
                policy,
                case_id=self.books.sim.id(),
                subscription_id=None,
                is_first_payment=False,
                now=self.books.sim.now,
            )
        elif case.status not in FINAL:
            case = self.books.protocol.case_moved_on(case, failure, policy)
        tx.put("cases", payment.invoice_id, case)

    async def retry(self, tx: Tx, invoice_id: UUID) -> None:
        """Do what the job `dunning.retry` does."""
        if not tx.try_lock("cases", invoice_id):
            return
        case: Case = tx.get("cases", invoice_id)
        if case.next_retry_at is None or case.next_retry_at > self.books.sim.now:
            return
        invoice = await tx.lock("invoices", invoice_id)
        attempts = tx.get("payments", invoice_id) or ()
        current = next((p for p in attempts if p.holds_invoice), attempts[-1] if attempts else None)
        if invoice.status != "open" or self.books.protocol.is_under_way(current):
            tx.put("cases", invoice_id, progress.put_off(case))
            return
        tx.put("cases", invoice_id, progress.tried(case))
        await self.books.collect(tx, invoice, Via.SAVED)

    async def end(self, tx: Tx, invoice_id: UUID, step: CaseStep, at: datetime) -> None:
        case: Case | None = await tx.lock("cases", invoice_id)
        if case is not None and case.status in {CaseStatus.OPEN, CaseStatus.EXHAUSTED}:
            tx.put("cases", invoice_id, progress.ended(case, step, at=at))
