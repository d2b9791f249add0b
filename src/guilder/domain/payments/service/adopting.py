"""Adopting: what a restore made us forget is not charged again. What is billed anew is paid by what was captured."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import Answer, Found, Payable, Payment, PaymentMethod, Status, Via
from guilder.domain.payments.rules.collecting import needs_session
from guilder.domain.payments.rules.lifecycle import SETTLED, Step, after
from guilder.domain.payments.service import collecting, starting
from guilder.domain.payments.service.recording import record
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import reconciling as rows
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def collect(
    tx: Tx, *, payables: Sequence[Payable], are_new: bool = False, methods: Sequence[PaymentMethod] = (), now: datetime
) -> list[Payment]:
    """Ask for what is owed; return, for each payable, the payment that will bring it (or has brought it).

    See `collecting.collect`. Did ANY object of the same claim or business key succeed at a provider, unknown here
    because a restore lost it, then it is this payment: nothing is charged. Of another amount, a person has to look.
    """
    made = await collecting.collect(tx, payables=payables, are_new=are_new, methods=methods, now=now)
    if not await _adopt(tx, made, now=now):
        return made
    current = await attempts.current(tx, [p.invoice_ref for p in made])
    return [current[p.invoice_ref] for p in made]


async def start(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Ask providers for payments that were requested: see `starting.start`. What was found since is not asked for."""
    await _adopt(tx, await attempts.lock(tx, refs), now=now)
    await starting.start(tx, refs=refs, now=now)


async def look_after(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Start what waited: see `collecting.look_after`. In quarantine it waited for just this: what the books brought."""
    await _adopt(tx, await attempts.claim_stale(tx, refs, now=now), now=now)
    return await collecting.look_after(tx, refs=refs, now=now)


async def open_session(tx: Tx, *, invoice_id: UUID, return_url: str, now: datetime) -> Payment:
    """Have a page prepared on which the customer pays: see `starting.open_session`. What was found needs none.

    One that was open at an account which is retired by now is closed there, and its customer pays elsewhere.
    """
    ref = Ref(tx.tenant_id, invoice_id)
    holders = await attempts.lock_holders(tx, [ref])
    await _adopt(tx, list(holders.values()), now=now)
    holder = holders.get(ref)
    if holder is not None and await _is_to_leave(tx, holder, now=now):
        leaving = replace(holder, again_via=Via.LINK, again_method_id=None)
        await collecting.give_up(tx, payments=[leaving], keeps_hold=True, now=now)
        return (await attempts.lock_holders(tx, [ref]))[ref]
    return await starting.open_session(tx, invoice_id=invoice_id, return_url=return_url, now=now)


async def _is_to_leave(tx: Tx, payment: Payment, *, now: datetime) -> bool:
    """Say whether this needs a new page, and is at an account that takes nothing any more."""
    if payment.account_id is None or not needs_session(payment, now=now):
        return False
    return not (await gateways.one(tx, account_id=payment.account_id)).is_active


async def _adopt(tx: Tx, payments: Sequence[Payment], *, now: datetime) -> bool:
    """Take what was found for these payments, of those that no provider was asked for; say whether there was any."""
    open_ones = [p for p in payments if p.status not in SETTLED and not p.is_asked]
    if not open_ones:
        return False
    found = await rows.lock_open(tx, [(p.tenant_id, p.claim, p.business_key) for p in open_ones])
    taken: set[UUID] = set()
    adopted: list[tuple[Payment, Found]] = []
    for payment in open_ones:
        fitting = [each for each in found if _is_of(each, payment) and each.id not in taken]
        if fitting:
            taken.add(fitting[0].id)
            adopted.append((payment, fitting[0]))
    if not adopted:
        return False
    accounts = await gateways.named(tx, refs=sorted({each.account for _, each in adopted}))
    await attempts.save(tx, [_at_home(p, each, accounts[each.account].gateway) for p, each in adopted], now=now)
    await rows.take(tx, [(each, p.id) for p, each in adopted])
    await record(tx, answers=[_answer(p, each) for p, each in adopted], now=now)
    return True


def _is_of(found: Found, payment: Payment) -> bool:
    if found.tenant_id != payment.tenant_id:
        return False
    return found.business_key == payment.business_key or (found.claim != "" and found.claim == payment.claim)


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
