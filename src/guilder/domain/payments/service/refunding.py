"""Refunds: asked for by customers, granted by staff or by the tenant's policy, carried out by the provider."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import OutcomeKind
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments.events import (
    RefundAsked,
    RefundFailed,
    RefundProposalRefused,
    RefundRefused,
    RefundReturned,
)
from guilder.domain.payments.model import (
    Answer,
    GrantedBy,
    NewRefund,
    NoteWish,
    Payment,
    Refund,
    RefundPolicy,
    RefundStatus,
    Status,
)
from guilder.domain.payments.rules import refunding as rules
from guilder.domain.payments.rules.lifecycle import REFUND_MOVES, RefundStep
from guilder.domain.payments.rules.recording import PAID_AFTER_CANCEL
from guilder.domain.payments.rules.two_persons import is_bound
from guilder.domain.payments.service import returning, telling, two_persons
from guilder.domain.payments.store import attempts, reconciling
from guilder.domain.payments.store import refunds as refund_rows
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

_FAILURES = frozenset({OutcomeKind.DECLINED, OutcomeKind.CANCELED})


class NothingToRefund(Conflict):
    """Only a payment that succeeded, and is not given back yet, can be refunded."""

    code = "nothing_to_refund"


class RefundTooLarge(Conflict):
    """This is more than is left of what was captured."""

    code = "refund_exceeds_captured"


class AlreadyAsked(Conflict):
    """A refund of this payment was asked for already, and is not decided yet."""

    code = "refund_already_asked"


async def ask_refund(tx: Tx, *, refund: NewRefund, customer_id: CustomerId | None = None, now: datetime) -> Refund:
    """Ask for money back, as a customer does. It is granted at once where the tenant's policy says so.

    Where the policy looks at what was used, whoever knows of use says so, and it is granted then. `customer_id` is the
    only customer that whoever asks may see.

    :raises NotFound: no such payment
    :raises NothingToRefund, RefundTooLarge, AlreadyAsked: as they say
    """
    policy = await refund_policy(tx)
    await _hold_customer(tx, refund.payment_id, policy)
    payment = await lock_payment(tx, refund.payment_id, customer_id=customer_id)
    made = new_refund(payment, refund, left=await left_of(tx, payment), status=RefundStatus.ASKED, now=now)
    asked = replace(made, asked_by=tx.actor)
    await _check_none_asked(tx, payment)
    in_year = await refund_rows.granted_by_policy(tx, Ref(asked.tenant_id, asked.customer_id), since=now - rules.YEAR)
    is_granted = rules.grants(policy, asked, paid_at=payment.settled_at, granted_in_year=in_year, now=now)
    # What one person may not give alone, nobody gives by looking away.
    is_granted = is_granted and not await two_persons.is_above(tx, asked, now=now)
    await refund_rows.insert(tx, [asked])
    if_unused = is_granted and policy.only_unused
    event = telling.of_refund(RefundAsked, asked, reason=asked.reason, is_granted_if_unused=if_unused)
    outbox.announce(tx, [event], now=now)
    return await _granted_by_policy(tx, asked, policy, now=now) if is_granted and not if_unused else asked


async def grant_unused(tx: Tx, *, refund_id: UUID, now: datetime) -> Refund:
    """Grant what a customer asked for and nothing was used of, as the policy says; what is decided stays as it is.

    :raises NotFound: no such refund
    """
    asked = await refund(tx, refund_id=refund_id)
    policy = await refund_policy(tx)
    await _hold_customer(tx, asked.payment_id, policy)
    payment = await lock_payment(tx, asked.payment_id)
    asked = await _lock_refund(tx, refund_id)
    in_year = await refund_rows.granted_by_policy(tx, Ref(asked.tenant_id, asked.customer_id), since=now - rules.YEAR)
    is_granted = rules.grants(policy, asked, paid_at=payment.settled_at, granted_in_year=in_year, now=asked.asked_at)
    left = await left_of(tx, payment)
    if asked.status is not RefundStatus.ASKED or not is_granted or asked.amount.minor > left.minor:
        return asked
    if asked.first_by or await two_persons.is_above(tx, asked, now=now):
        return asked
    return await _granted_by_policy(tx, asked, policy, now=now)


async def make_refund(tx: Tx, *, refund: NewRefund, now: datetime) -> Refund:
    """Give money back, as the tenant's staff does: all that is left, or a part.

    What is more than one person may give alone stays `asked`, and waits for another one to grant it. A pay-out of
    credit was looked at by whoever pays it out (`invoicing`).

    :raises NotFound: no such payment
    :raises NothingToRefund, RefundTooLarge: as they say
    :raises AlreadyAsked: it takes a second person, and another refund of this payment waits to be decided
    """
    payment = await lock_payment(tx, refund.payment_id)
    left = payment.refundable if refund.is_pay_out else await left_of(tx, payment)
    new = new_refund(payment, refund, left=left, status=RefundStatus.PENDING, now=now)
    made = replace(new, asked_by=tx.actor, decided_by=tx.actor, decided_at=now)
    if not refund.is_pay_out and is_bound(tx.actor) and await two_persons.is_above(tx, made, now=now):
        await _check_none_asked(tx, payment)
        undecided = replace(made, granted_by=GrantedBy.NOBODY, decided_by="", decided_at=None, is_proposed=True)
        waiting = await two_persons.propose(tx, refund=undecided, now=now)
        await refund_rows.insert(tx, [waiting])
        return waiting
    await refund_rows.insert(tx, [made])
    await gateways.request(tx, requests=[returning.request_of(made, payment, now=now)], now=now)
    return made


async def grant_refund(
    tx: Tx,
    *,
    refund_id: UUID,
    ends_access: bool | None = None,
    credit_note: NoteWish | None = None,
    granted_by: GrantedBy = GrantedBy.STAFF,
    now: datetime,
) -> Refund:
    """Grant what a customer asked for, or what another person of the business proposed.

    Where it takes two persons and this is the first of them, it stays `asked`.

    :raises NotFound: no such refund
    :raises IllegalStep: it is decided already
    :raises RefundTooLarge: meanwhile less is left of the payment
    :raises NotAPerson, SamePerson: it waits for a second person, and this is none
    """
    seen = await refund(tx, refund_id=refund_id)
    payment = await lock_payment(tx, seen.payment_id)
    asked = await _lock_refund(tx, refund_id)
    status = lifecycle.take(REFUND_MOVES, asked.status, RefundStep.GRANT)
    if asked.amount.minor > (await left_of(tx, payment)).minor:
        raise RefundTooLarge
    asked = replace(
        asked,
        ends_access=asked.ends_access if ends_access is None else ends_access,
        credit_note=credit_note or asked.credit_note,
    )
    if granted_by is GrantedBy.STAFF:
        waiting = await two_persons.first_of_two(tx, asked=asked, now=now)
        if waiting is not None:
            return waiting
    granted = replace(asked, status=status, granted_by=granted_by, decided_by=tx.actor, decided_at=now)
    await refund_rows.save(tx, [granted])
    await gateways.request(tx, requests=[returning.request_of(granted, payment, now=now)], now=now)
    return granted


async def refuse_refund(tx: Tx, *, refund_id: UUID, reason: str, now: datetime) -> Refund:
    """Say no to what a customer asked for, or to what somebody of the business proposed, which oneself may have been.

    :raises NotFound: no such refund
    :raises IllegalStep: it is decided already
    """
    asked = await _lock_refund(tx, refund_id)
    status = lifecycle.take(REFUND_MOVES, asked.status, RefundStep.REFUSE)
    refused = replace(asked, status=status, settled_at=now, decided_by=tx.actor, decided_at=now)
    await refund_rows.save(tx, [refused])
    # A customer who asked for nothing is told nothing.
    told = RefundProposalRefused if refused.is_proposed else RefundRefused
    outbox.announce(tx, [telling.of_refund(told, refused, reason=reason)], now=now)
    return refused


async def refund(tx: Tx, *, refund_id: UUID, customer_id: CustomerId | None = None) -> Refund:
    """Return a refund.

    :raises NotFound: no such refund
    """
    found = await refund_rows.get(tx, [Ref(tx.tenant_id, refund_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such refund")
    if customer_id is not None and found[0].is_internal:
        raise NotFound("there is no such refund")
    return found[0]


async def refunds(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    payment_id: UUID | None = None,
    status: RefundStatus | None = None,
) -> Page[Refund]:
    rows = await refund_rows.listing(tx, query, customer_id=customer_id, payment_id=payment_id, status=status)
    return page_of(rows, query, lambda each: each.id)


async def refund_policy(tx: Tx) -> RefundPolicy:
    """Return which refunds are granted by themselves: none, where nothing was said."""
    return await refund_rows.policy_of(tx, tx.tenant_id)


async def set_refund_policy(tx: Tx, *, policy: RefundPolicy, now: datetime) -> RefundPolicy:
    await refund_rows.save_policy(tx, tx.tenant_id, policy, now=now)
    return policy


async def record_refunds(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> None:
    """Record what providers said of refunds, however often and in whatever order."""
    refs = [Ref(each.tenant_id, UUID(each.business_key.rpartition(":")[2])) for each in answers]
    known = await refund_rows.get(tx, refs)
    # The payment first, as everywhere: refunds of one payment wait for each other there.
    payments = {p.ref: p for p in await attempts.lock(tx, [Ref(r.tenant_id, r.payment_id) for r in known])}
    locked = {each.ref: each for each in await refund_rows.lock(tx, refs)}
    changed: dict[Ref, Refund] = {}
    for ref, answer in zip(refs, answers, strict=True):
        found = changed.get(ref) or locked.get(ref)
        after = _told(found, answer) if found is not None else None
        if after is not None and after != found:
            changed[ref] = after
    await refund_rows.save(tx, list(changed.values()))
    was_pending = [each for ref, each in changed.items() if locked[ref].status is RefundStatus.PENDING]
    done = [each for each in was_pending if each.status is RefundStatus.SUCCEEDED]
    await ledger.post(tx, entries=[_booking(each, payments[Ref(each.tenant_id, each.payment_id)]) for each in done])
    if done:
        await reconciling.resolve_refunds(tx, [(each.tenant_id, each.provider_ref) for each in done], now=now)
    outbox.announce(tx, [telling.refunded(each) for each in done], now=now)
    failed = [each for each in was_pending if each.status is RefundStatus.FAILED]
    outbox.announce(
        tx, [telling.of_refund(RefundFailed, each, decline_code=each.decline_code) for each in failed], now=now
    )
    strays = {Ref(each.tenant_id, each.payment_id) for each in failed if each.is_overpayment}
    await returning.plan_again(tx, payments=[payments[ref] for ref in sorted(strays)], now=now)
    returned = [each for each in changed.values() if each.is_returned]
    outbox.announce(
        tx, [telling.of_refund(RefundReturned, each, decline_code=each.decline_code) for each in returned], now=now
    )


def _told(refund: Refund, answer: Answer) -> Refund:
    outcome = answer.outcome
    if refund.status is RefundStatus.SUCCEEDED and not refund.is_returned and outcome.kind in _FAILURES:
        if outcome.provider_ref and refund.provider_ref and outcome.provider_ref != refund.provider_ref:
            return refund  # another object of the provider's failed, and not the one that succeeded
        # The customer's bank sent it back. It is owed to the customer as before: a person has to pay it otherwise.
        return replace(refund, decline_code=outcome.decline_code or "refund_failed")
    if refund.status is not RefundStatus.PENDING:
        return refund
    if outcome.kind is OutcomeKind.SUCCEEDED and outcome.amount == refund.amount:
        status = lifecycle.take(REFUND_MOVES, refund.status, RefundStep.SUCCEED)
        return replace(refund, status=status, settled_at=answer.at, provider_ref=outcome.provider_ref)
    if outcome.kind in _FAILURES:
        status = lifecycle.take(REFUND_MOVES, refund.status, RefundStep.FAIL)
        return replace(refund, status=status, settled_at=answer.at, decline_code=outcome.decline_code)
    return refund


def _booking(refund: Refund, payment: Payment) -> JournalEntry:
    assert refund.settled_at is not None, refund
    if refund.is_overpayment:
        return journal.overpayment_returned(
            tenant_id=refund.tenant_id,
            refund_id=refund.id,
            invoice_id=refund.invoice_id,
            customer_id=refund.customer_id,
            account_id=payment.account_id,
            amount=refund.amount,
            at=refund.settled_at,
        )
    return journal.refund_succeeded(
        tenant_id=refund.tenant_id,
        refund_id=refund.id,
        customer_id=refund.customer_id,
        account_id=payment.account_id,
        amount=refund.amount,
        at=refund.settled_at,
    )


async def _hold_customer(tx: Tx, payment_id: UUID, policy: RefundPolicy) -> None:
    """Let whoever asks for a second refund wait, where the policy counts how many a customer is granted."""
    seen = await attempts.get(tx, [Ref(tx.tenant_id, payment_id)]) if policy.per_customer_year is not None else []
    if seen:
        await customers.lock(tx, refs=[seen[0].customer_ref])


async def lock_payment(tx: Tx, payment_id: UUID, *, customer_id: CustomerId | None = None) -> Payment:
    """Lock a payment, and all others of its invoice with it: refunds of one invoice wait for each other here.

    :raises NotFound: no such payment
    """
    ref = Ref(tx.tenant_id, payment_id)
    seen = await attempts.get(tx, [ref])
    if not seen or customer_id not in (None, seen[0].customer_id):
        raise NotFound("there is no such payment", field="payment_id")
    await refund_rows.lock_invoice(tx, seen[0].invoice_ref)
    # Twice: what was given back is counted by a statement that begins when the lock is ours.
    [payment] = await attempts.get(tx, [ref])
    return payment


async def left_of(tx: Tx, payment: Payment) -> Money:
    """Return what can be refunded of a locked payment."""
    back = await refund_rows.given_back(tx, [payment.invoice_ref], with_pending=True)
    if payment.invoice_ref not in back:
        return payment.refundable
    withheld = await refund_rows.withheld(tx, payment.invoice_ref)
    return rules.refundable(payment, back[payment.invoice_ref], Money(withheld, payment.amount.currency))


async def _granted_by_policy(tx: Tx, asked: Refund, policy: RefundPolicy, *, now: datetime) -> Refund:
    # Nobody looks: whoever could keep the thing and have its price back, or all but a cent of it, would.
    return await grant_refund(
        tx,
        refund_id=asked.id,
        ends_access=True,
        credit_note=policy.credit_note,
        granted_by=GrantedBy.POLICY,
        now=now,
    )


async def _check_none_asked(tx: Tx, payment: Payment) -> None:
    query = PageQuery(limit=1)
    status = RefundStatus.ASKED.value
    if await refund_rows.listing(tx, query, customer_id=None, payment_id=payment.id, status=status):
        raise AlreadyAsked


async def _lock_refund(tx: Tx, refund_id: UUID) -> Refund:
    found = await refund_rows.lock(tx, [Ref(tx.tenant_id, refund_id)])
    if not found:
        raise NotFound("there is no such refund")
    return found[0]


def new_refund(payment: Payment, new: NewRefund, *, left: Money, status: RefundStatus, now: datetime) -> Refund:
    """Make a refund of a payment, of no more than is `left`.

    :raises NothingToRefund, RefundTooLarge: as they say
    """
    is_late = payment.alert == PAID_AFTER_CANCEL and payment.account_id is not None
    if not (payment.status is Status.SUCCEEDED or is_late) or left.minor <= 0:
        raise NothingToRefund
    amount = left if new.amount_minor is None else Money(new.amount_minor, left.currency)
    if amount.minor > left.minor:
        raise RefundTooLarge(f"only {left} can still be given back", field="amount")
    return Refund(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=amount,
        status=status,
        reason=new.reason,
        asked_at=now,
        ends_access=new.ends_access,
        is_overpayment=payment.is_overpayment or is_late,
        reason_code=new.reason_code,
        credit_note=new.credit_note,
        granted_by=GrantedBy.NOBODY if status is RefundStatus.ASKED else GrantedBy.STAFF,
        is_pay_out=new.is_pay_out,
    )
