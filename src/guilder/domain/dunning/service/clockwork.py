"""What the clock asks of cases: the next try, the next reminder, the block after a grace, the end of a pause."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.dunning import store
from guilder.domain.dunning.events import ReminderDue
from guilder.domain.dunning.model import Case, Change, ChangeKind, Failure, Policy, Rhythm, Status
from guilder.domain.dunning.rules import history, progress
from guilder.domain.dunning.rules.schedule import ANYWHERE
from guilder.domain.dunning.service.exhausting import exhaust, suspend
from guilder.domain.dunning.service.pausing import resume
from guilder.domain.dunning.service.telling import event, policies_of, record, retry_planned, rhythms_of
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
    policies = await policies_of(tx, (case.policy_key for case in due))
    rhythms = await rhythms_of(tx, {case.customer_ref: policies[case.policy_key] for case in due})
    after = [
        _after_try(case, outcomes, policies[case.policy_key], rhythms.get(case.customer_ref, ANYWHERE)) for case in due
    ]
    await store.save(tx, after)
    told = [each for was, case in zip(due, after, strict=True) for each in _told(was, case, outcomes)]
    await record(tx, told, now=now)
    # Where the customer's open link stands and there is no method, the try fails on the spot, and nobody else says so.
    at_once = [case for case in after if case.ref in outcomes and outcomes[case.ref] is None]
    outbox.announce(tx, [retry_planned(case) for case in at_once if case.next_retry_at], now=now)
    await exhaust(tx, [case for case in at_once if case.status is Status.EXHAUSTED], now=now)
    return len(due)


def _after_try(case: Case, outcomes: Mapping[Ref, Payment | None], policy: Policy, rhythm: Rhythm) -> Case:
    if case.ref not in outcomes:
        return progress.put_off(case)
    tried = progress.tried(case)
    return tried if outcomes[case.ref] is not None else progress.moved_on(tried, _failed(case), policy, rhythm=rhythm)


def _failed(case: Case) -> Failure:
    """Return the failure of a try for which there was no method: it fails on its date."""
    assert case.next_retry_at is not None, case.ref
    return Failure(
        tenant_id=case.tenant_id,
        payment_id=case.id,
        invoice_id=case.invoice_id,
        customer_id=case.customer_id,
        decline_code=NO_METHOD,
        is_hard=False,
        failed_at=case.next_retry_at,
    )


def _told(was: Case, case: Case, outcomes: Mapping[Ref, Payment | None]) -> list[tuple[Case, Change]]:
    if case.ref not in outcomes:
        return []
    payment = outcomes[case.ref]
    if payment is None:
        return [(case, change) for change in history.of_failure(_failed(was), was, case)]
    return [(case, history.same(ChangeKind.RETRIED, case, payment_id=payment.id))]


async def remind_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Have customers reminded of what they are behind with, and plan the next reminder."""
    due = await store.claim_due(tx, refs, column="next_reminder_at", now=now)
    invoices = await invoicing.get(tx, refs=[case.invoice_ref for case in due])
    policies = await policies_of(tx, (case.policy_key for case in due))
    owing = [case for case in due if invoices[case.invoice_ref].due.minor > 0]
    after = [progress.reminded(case, policies[case.policy_key], now=now) for case in owing]
    settled = [progress.unreminded(case) for case in due if case not in owing]
    await store.save(tx, [*after, *settled])
    await record(tx, [(case, history.same(ChangeKind.REMINDED, case)) for case in after], now=now)
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


async def resume_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Let cases go on whose pause is over, each as of its date, however late that is noticed."""
    due = await store.claim_due(tx, refs, column="paused_until", now=now)
    await resume(tx, {case.ref: case.paused_until or now for case in due}, due, reason="", now=now)
    return len(due)
