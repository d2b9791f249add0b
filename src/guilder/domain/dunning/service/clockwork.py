"""What the clock asks of cases: the next try, the next reminder, the block after a grace."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.dunning import store
from guilder.domain.dunning.events import ReminderDue, RetryPlanned
from guilder.domain.dunning.model import Case, Failure, Policy, Status
from guilder.domain.dunning.rules import progress
from guilder.domain.dunning.service.exhausting import exhaust, suspend
from guilder.domain.dunning.service.telling import event, policies_of
from guilder.domain.dunning.service.trying import collect
from guilder.domain.invoicing import service as invoicing
from guilder.domain.payments.model import Payment
from guilder.domain.payments.rules.collecting import NO_METHOD
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def retry_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Make the tries that are due. One whose payment is under way waits for that instead, and loses no try."""
    due = await store.claim_due(tx, refs, column="next_retry_at", now=now)
    outcomes = await collect(tx, due, methods={}, now=now)
    policies = await policies_of(tx, (case.tenant_id for case in due))
    after = [_after_try(case, outcomes, policies[case.tenant_id]) for case in due]
    await store.save(tx, after)
    # Where the customer's open link stands and there is no method, the try fails on the spot, and nobody else says so.
    at_once = [case for case in after if case.ref in outcomes and outcomes[case.ref] is None]
    planned = [
        event(
            RetryPlanned,
            case,
            retries_made=case.retries_made,
            decline_code=case.last_decline_code,
            next_retry_at=case.next_retry_at,
        )
        for case in at_once
        if case.next_retry_at
    ]
    outbox.announce(tx, planned, now=now)
    await exhaust(tx, [case for case in at_once if case.status is Status.EXHAUSTED], now=now)
    return len(due)


def _after_try(case: Case, outcomes: Mapping[Ref, Payment | None], policy: Policy) -> Case:
    if case.ref not in outcomes:
        return progress.put_off(case)
    tried = progress.tried(case)
    if outcomes[case.ref] is not None:
        return tried
    assert case.next_retry_at is not None, case.ref
    failure = Failure(
        tenant_id=case.tenant_id,
        payment_id=case.id,
        invoice_id=case.invoice_id,
        customer_id=case.customer_id,
        decline_code=NO_METHOD,
        is_hard=False,
        failed_at=case.next_retry_at,
    )
    return progress.moved_on(tried, failure, policy)


async def remind_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Have customers reminded of what they are behind with, and plan the next reminder."""
    due = await store.claim_due(tx, refs, column="next_reminder_at", now=now)
    invoices = await invoicing.get(tx, refs=[case.invoice_ref for case in due])
    policies = await policies_of(tx, (case.tenant_id for case in due))
    owing = [case for case in due if invoices[case.invoice_ref].due.minor > 0]
    after = [progress.reminded(case, policies[case.tenant_id], now=now) for case in owing]
    settled = [progress.unreminded(case) for case in due if case not in owing]
    await store.save(tx, [*after, *settled])
    reminders = [
        event(ReminderDue, case, amount_due=invoices[case.invoice_ref].due, reminder=case.reminders_sent)
        for case in after
    ]
    outbox.announce(tx, reminders, now=now)
    return len(due)


async def block_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Suspend and block what has had its grace; end the waiting for what was sent and has had its time."""
    due = await store.claim_due(tx, refs, column="block_at", now=now)
    await suspend(tx, [case for case in due if case.status is Status.EXHAUSTED], now=now)
    waited = [progress.time_is_up(case) for case in due if case.status is Status.OPEN]
    await store.save(tx, waited)
    await exhaust(tx, waited, now=now)
    return len(due)
