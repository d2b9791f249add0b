"""A payment failed: a case is opened or moved on, and what that means for the subscription."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.events import AccessToBlock, CaseOpened, RetryPlanned
from guilder.domain.dunning.model import Case, Failure, Status
from guilder.domain.dunning.rules import progress
from guilder.domain.dunning.rules.lifecycle import FINAL
from guilder.domain.dunning.service.exhausting import exhaust
from guilder.domain.dunning.service.telling import event, policies_of, subscription_refs
from guilder.domain.dunning.service.trying import is_owed
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.rules.collecting import NO_METHOD
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

# Of a link: whatever else it came to, a page that was closed or declined too, it is not paid and nobody tries again.
_MAY_COME_IN = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.UNKNOWN, PaymentStatus.CANCELING})


async def failed(tx: Tx, *, failures: Sequence[Failure], now: datetime) -> None:
    """Count failures of saved methods, each once however often it is heard of: open a case, plan the next try, or none.

    A decline at a page where the customer is present opens no case: it can be tried again there. What has been paid or
    voided meanwhile needs no case any more.
    """
    counting = await _counting(tx, failures)
    before = {case.invoice_ref: case for case in await store.lock_by_invoice(tx, _invoices(counting))}
    # Held, after the cases as everywhere: what is paid in this moment opens no case that nobody would ever end.
    invoices = await invoicing.lock(tx, refs=_invoices(counting))
    counting = [each for each in counting if _is_behind(each, invoices.get(each.invoice_ref))]
    if not counting:
        return
    after, counted = await _moved_on(tx, counting, before, invoices, now=now)
    new = [case for ref, case in after.items() if ref not in before]
    await store.insert(tx, new)
    await store.save(tx, [case for ref, case in after.items() if ref in before])
    await store.insert_failures(tx, counted)
    await subscriptions.mark_past_due(
        tx, refs=subscription_refs([case for case in new if case.status is Status.OPEN]), now=now
    )
    _tell(tx, before, after, now=now)
    was_open = {ref for ref, case in after.items() if ref not in before or before[ref].status is Status.OPEN}
    await exhaust(
        tx, [case for ref, case in after.items() if case.status is Status.EXHAUSTED and ref in was_open], now=now
    )


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
) -> tuple[dict[Ref, Case], list[tuple[Failure, UUID]]]:
    policies = await policies_of(tx, (failure.tenant_id for failure in failures))
    waiting = await _waiting_for_first_payment(tx, list(invoices.values()))
    after: dict[Ref, Case] = {}
    counted = []
    for failure in failures:
        ref, policy = failure.invoice_ref, policies[failure.tenant_id]
        case = after.get(ref) or before.get(ref)
        if case is not None and case.status in FINAL:
            continue
        if case is None:
            concerned = invoices[ref].subscription_ids
            is_first = bool(concerned) and all(Ref(ref.tenant_id, each) in waiting for each in concerned)
            if _is_offer(failure, invoices[ref], is_first_payment=is_first):
                continue
            case = progress.opened(
                failure,
                policy,
                case_id=ids.new(now),
                subscription_id=invoices[ref].subscription_id,
                subscription_ids=concerned,
                is_first_payment=is_first,
                is_sent=invoices[ref].is_sent,
                now=now,
            )
        elif not case.is_sent:
            case = progress.moved_on(case, failure, policy)
        after[ref] = case
        counted.append((failure, case.id))
    return after, counted


async def _waiting_for_first_payment(tx: Tx, invoices: Sequence[Invoice]) -> set[Ref]:
    refs = sorted({Ref(each.tenant_id, one) for each in invoices for one in each.subscription_ids})
    found = await subscriptions.get(tx, refs=refs)
    return {ref for ref, each in found.items() if each.status is SubscriptionStatus.PROCESSING}


def _tell(tx: Tx, before: Mapping[Ref, Case], after: Mapping[Ref, Case], *, now: datetime) -> None:
    for ref, case in after.items():
        if ref not in before:
            opened = event(CaseOpened, case, decline_code=case.last_decline_code, next_retry_at=case.next_retry_at)
            outbox.announce(tx, [opened], now=now)
            if case.is_blocking:
                outbox.announce(tx, [event(AccessToBlock, case, reason="payment_failed")], now=now)
        elif case.next_retry_at is not None:
            planned = event(
                RetryPlanned,
                case,
                retries_made=case.retries_made,
                decline_code=case.last_decline_code,
                next_retry_at=case.next_retry_at,
            )
            outbox.announce(tx, [planned], now=now)
