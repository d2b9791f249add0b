"""A payment failed: a case is opened or moved on, and what that means for the subscription."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.events import AccessToBlock, CaseOpened
from guilder.domain.dunning.model import Case, Failure, Policy, Rhythm, Status
from guilder.domain.dunning.rules import history, progress, schedule
from guilder.domain.dunning.rules.lifecycle import FINAL
from guilder.domain.dunning.rules.schedule import ANYWHERE
from guilder.domain.dunning.service.exhausting import exhaust
from guilder.domain.dunning.service.telling import (
    Key,
    event,
    policies_of,
    record,
    retry_planned,
    rhythms_of,
    subscription_refs,
)
from guilder.domain.dunning.service.trying import fall_back, is_owed, spare_methods
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.rules.collecting import NO_METHOD
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

# Of a link: whatever else it came to, a page that was closed or declined too, it is not paid and nobody tries again.
_MAY_COME_IN = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.UNKNOWN, PaymentStatus.CANCELING})


class _Counted(NamedTuple):
    """A failure, and the case before and after it."""

    failure: Failure
    before: Case | None
    after: Case


async def failed(tx: Tx, *, failures: Sequence[Failure], now: datetime) -> None:
    """Count failures of saved methods, each once however often it is heard of: open a case, plan the next try, or none.

    Where the policy falls back, another of the customer's methods is tried at once. A decline at a page where the
    customer is present opens no case: it can be tried again there. What has been paid or voided meanwhile needs no case
    any more.
    """
    counting = await _counting(tx, failures)
    before = {case.invoice_ref: case for case in await store.lock_by_invoice(tx, _invoices(counting))}
    # Held, after the cases as everywhere: what is paid in this moment opens no case that nobody would ever end.
    invoices = await invoicing.lock(tx, refs=_invoices(counting))
    counting = [each for each in counting if _is_behind(each, invoices.get(each.invoice_ref))]
    if not counting:
        return
    after, counted, spare = await _moved_on(tx, counting, before, invoices, now=now)
    new = [case for ref, case in after.items() if ref not in before]
    await store.insert(tx, new)
    await store.save(tx, [case for ref, case in after.items() if ref in before])
    await store.insert_failures(tx, [(each.failure, each.after.id) for each in counted])
    await subscriptions.mark_past_due(
        tx, refs=subscription_refs([case for case in new if case.status is Status.OPEN]), now=now
    )
    told = [(each.after, line) for each in counted for line in history.of_failure(*each)]
    await record(tx, told, now=now)
    _tell(tx, before, after, spare, now=now)
    await fall_back(tx, [case for ref, case in after.items() if ref in spare], methods=spare, now=now)
    was_open = {ref for ref, case in after.items() if ref not in before or before[ref].status is Status.OPEN}
    await exhaust(
        tx, [case for ref, case in after.items() if case.status is Status.EXHAUSTED and ref in was_open], now=now
    )


async def look_again(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """Open the cases that were not opened when these invoices fell overdue, since a payment by link might have come in.

    Called when that has become final.
    """
    known = await store.with_case(tx, sorted(set(invoices)))
    found = await invoicing.get(tx, refs=sorted(set(invoices) - known))
    overdue = {
        ref: each.due_at
        for ref, each in found.items()
        if each.status is InvoiceStatus.OPEN and each.due_at + schedule.OVERDUE_AFTER <= now
    }
    if overdue:
        await unpaid(tx, invoices=overdue, now=now)


async def unpaid(tx: Tx, *, invoices: Mapping[Ref, datetime], now: datetime) -> None:
    """Open a case for these invoices (with their due dates) where nobody can be charged: only the customer's link stands.

    These are renewals without a method, and whatever was sent with payment terms.
    """
    found = await invoicing.get(tx, refs=sorted(invoices))
    concerned = [ref for ref, each in found.items() if each.is_sent or (each.subscription_ids and not each.order_id)]
    current = await payments.current(tx, invoices=sorted(concerned))
    waiting = [
        Failure(
            tenant_id=ref.tenant_id,
            payment_id=payment.id,
            invoice_id=ref.id,
            customer_id=payment.customer_id,
            decline_code=NO_METHOD,
            is_hard=False,
            failed_at=invoices[ref],
            is_overdue=True,
        )
        for ref, payment in current.items()
        if payment.via is Via.LINK and payment.status not in _MAY_COME_IN
    ]
    await failed(tx, failures=waiting, now=now)


async def _counting(tx: Tx, failures: Sequence[Failure]) -> list[Failure]:
    """Return those failures that count: of saved methods, not heard of before, in the order in which they happened."""
    by_payment = {Ref(each.tenant_id, each.payment_id): each for each in failures}
    known = await store.known_failures(tx, sorted(by_payment))
    fresh = {ref: each for ref, each in by_payment.items() if ref not in known}
    made = await payments.get(tx, refs=sorted(fresh))
    counting = [each for ref, each in fresh.items() if ref in made and _counts(each, made[ref])]
    return sorted(counting, key=lambda each: (each.failed_at, each.payment_id))


def _counts(failure: Failure, payment: Payment) -> bool:
    return payment.via is not Via.LINK or failure.decline_code == NO_METHOD


def _is_behind(failure: Failure, invoice: Invoice | None) -> bool:
    """Say whether this failure leaves something owed that should be there. What was sent is owed by its date: a card that
    its customer tried before, and that was declined, says nothing."""
    if invoice is None or not is_owed(invoice):
        return False
    return failure.is_overdue or not invoice.is_sent


def _is_offer(failure: Failure, invoice: Invoice, *, is_first_payment: bool) -> bool:
    """Say whether the invoice is for a change that waits for its payment link: it is not in force, and nothing is owed
    for what does not happen. One that took effect at once was charged to a saved method with its first attempt."""
    is_change = invoice.order_id is not None and invoice.subscription_id is not None and not is_first_payment
    return is_change and failure.attempt > 1


def _invoices(failures: Sequence[Failure]) -> list[Ref]:
    return sorted({failure.invoice_ref for failure in failures})


async def _moved_on(
    tx: Tx,
    failures: Sequence[Failure],
    before: Mapping[Ref, Case],
    invoices: Mapping[Ref, Invoice],
    *,
    now: datetime,
) -> tuple[dict[Ref, Case], list[_Counted], dict[Ref, UUID]]:
    """Return the cases as they are now, what was counted, and the methods (by invoice) that are to be tried at once."""
    subjects = await _subjects(tx, list(invoices.values()))
    keys = {ref: before[ref].policy_key if ref in before else _policy_key(invoices[ref], subjects) for ref in invoices}
    policies = await policies_of(tx, keys.values())
    held = {Ref(ref.tenant_id, each.customer_id): policies[keys[ref]] for ref, each in invoices.items()}
    rhythms = await rhythms_of(tx, held)
    spare = await spare_methods(
        tx, _soft(failures, before, {ref: policies[key] for ref, key in keys.items()}, invoices)
    )
    after: dict[Ref, Case] = {}
    counted: list[_Counted] = []
    for failure in failures:
        ref, policy = failure.invoice_ref, policies[keys[failure.invoice_ref]]
        was = after.get(ref) or before.get(ref)
        if was is not None and was.status in FINAL:
            continue
        rhythm = rhythms.get(Ref(ref.tenant_id, failure.customer_id), ANYWHERE)
        if was is None:
            case = _opened(failure, policy, rhythm, invoices[ref], subjects, is_tried_elsewhere=ref in spare, now=now)
        elif not was.is_sent:
            case = progress.moved_on(was, failure, policy, rhythm=rhythm, is_tried_elsewhere=ref in spare)
        else:
            case = was
        if case is not None:
            after[ref] = case
            counted.append(_Counted(failure, was, case))
    return after, counted, {ref: method for ref, method in spare.items() if ref in after}


def _soft(
    failures: Sequence[Failure],
    before: Mapping[Ref, Case],
    policies: Mapping[Ref, Policy],
    invoices: Mapping[Ref, Invoice],
) -> list[Ref]:
    """Return the invoices of those failures after which another method may be tried: not where there is no use, where
    nobody is ever charged, or where a person said that nothing is to be tried."""
    standing = {ref: case.status for ref, case in before.items()}
    return sorted(
        {
            failure.invoice_ref
            for failure in failures
            for policy in (policies[failure.invoice_ref],)
            if policy.falls_back
            and not (failure.is_hard and policy.stops_at_hard_decline)
            and not failure.is_overdue
            and not invoices[failure.invoice_ref].is_sent
            and standing.get(failure.invoice_ref, Status.OPEN) in (Status.OPEN, Status.EXHAUSTED)
        }
    )


def _opened(
    failure: Failure,
    policy: Policy,
    rhythm: Rhythm,
    invoice: Invoice,
    subjects: Mapping[Ref, Subscription],
    *,
    is_tried_elsewhere: bool,
    now: datetime,
) -> Case | None:
    concerned = [subjects[Ref(invoice.tenant_id, each)] for each in invoice.subscription_ids]
    is_first = bool(concerned) and all(each.status is SubscriptionStatus.PROCESSING for each in concerned)
    if _is_offer(failure, invoice, is_first_payment=is_first):
        return None
    return progress.opened(
        failure,
        policy,
        case_id=ids.new(now),
        subscription_id=invoice.subscription_id,
        subscription_ids=invoice.subscription_ids,
        is_first_payment=is_first,
        is_sent=invoice.is_sent,
        plan_id=_policy_key(invoice, subjects)[1],
        rhythm=rhythm,
        is_tried_elsewhere=is_tried_elsewhere,
        now=now,
    )


async def _subjects(tx: Tx, invoices: Sequence[Invoice]) -> dict[Ref, Subscription]:
    refs = sorted({Ref(each.tenant_id, one) for each in invoices for one in each.subscription_ids})
    return await subscriptions.get(tx, refs=refs)


def _policy_key(invoice: Invoice, subjects: Mapping[Ref, Subscription]) -> Key:
    """Return whose policy holds: that of the plan of all that the invoice bills, where it is one."""
    plans = {subjects[Ref(invoice.tenant_id, each)].terms.plan_id for each in invoice.subscription_ids}
    return invoice.tenant_id, plans.pop() if len(plans) == 1 else None


def _tell(
    tx: Tx, before: Mapping[Ref, Case], after: Mapping[Ref, Case], spare: Mapping[Ref, UUID], *, now: datetime
) -> None:
    for ref, case in after.items():
        if ref not in before:
            opened = event(
                CaseOpened,
                case,
                decline_code=case.last_decline_code,
                next_retry_at=case.next_retry_at,
                is_tried_elsewhere=ref in spare,
            )
            outbox.announce(tx, [opened], now=now)
            if case.is_blocking:
                outbox.announce(tx, [event(AccessToBlock, case, reason="payment_failed")], now=now)
        elif case.next_retry_at is not None and case.status is Status.OPEN and ref not in spare:
            # Not while another method is being tried: whether anything is left to wait for is known in a moment.
            outbox.announce(tx, [retry_planned(case)], now=now)
