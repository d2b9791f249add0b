"""Adopting: what a restore made us forget is not charged again. What is billed anew is paid by what was captured."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import Answer, Found, Payable, Payment, Status
from guilder.domain.payments.rules.lifecycle import SETTLED, Step, after
from guilder.domain.payments.service import collecting
from guilder.domain.payments.service.recording import record
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import reconciling as rows
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def collect(tx: Tx, *, payables: Sequence[Payable], now: datetime) -> list[Payment]:
    """Ask for what is owed; return, for each payable, the payment that will bring it (or has brought it).

    See `collecting.collect`. Did ANY object of the same claim succeed at a provider, unknown here because a restore
    lost it, then it is this payment: nothing is charged. Of another amount, a person has to look at it.
    """
    made = await collecting.collect(tx, payables=payables, now=now)
    claims = {Ref(each.tenant_id, each.invoice_id): each.claim for each in payables if each.claim}
    open_ones = {
        (p.tenant_id, claims[p.invoice_ref]): p
        for p in made
        if p.status not in SETTLED and not p.is_asked and p.invoice_ref in claims
    }
    if not open_ones:
        return made
    found = await rows.lock_open(tx, list(open_ones))
    if not found:
        return made
    accounts = {a.id: a.gateway for a in await gateways.accounts(tx)}
    adopted = [(open_ones[key], each) for key, each in found.items() if each.account_id in accounts]
    await attempts.save(tx, [_at_home(p, each, accounts[each.account_id]) for p, each in adopted], now=now)
    await rows.take(tx, [(each, p.id) for p, each in adopted])
    await record(tx, answers=[_answer(p, each) for p, each in adopted], now=now)
    current = await attempts.current(tx, [p.invoice_ref for p in made])
    return [current[p.invoice_ref] for p in made]


def _at_home(payment: Payment, found: Found, gateway: str) -> Payment:
    is_link = payment.status is Status.AWAITING_CUSTOMER
    return replace(
        payment,
        # Nobody has to open it any more.
        status=after(payment.status, Step.OPEN) if is_link else payment.status,
        gateway=gateway,
        account_id=found.account_id,
        provider_ref=found.provider_ref,
        charge_ref=found.charge_ref,
        payment_method_id=None,
        check_due_at=None,
    )


def _answer(payment: Payment, found: Found) -> Answer:
    outcome = Outcome(
        kind=OutcomeKind.SUCCEEDED,
        provider_ref=found.provider_ref,
        charge_ref=found.charge_ref,
        amount=found.amount,
    )
    return Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=outcome,
        at=found.captured_at,
    )
