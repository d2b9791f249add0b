"""What becomes of a case: a failure opens it or moves it on, a payment or a void ends it."""

from datetime import datetime
from uuid import UUID

from guilder.domain.dunning.model import Case, Failure, Policy, Rhythm, Status
from guilder.domain.dunning.rules import schedule
from guilder.domain.dunning.rules.lifecycle import MOVES, Step
from guilder.domain.dunning.rules.schedule import ANYWHERE
from guilder.kernel import lifecycle
from guilder.kernel.noun import replace


def opened(
    failure: Failure,
    policy: Policy,
    *,
    case_id: UUID,
    subscription_id: UUID | None,
    subscription_ids: tuple[UUID, ...] = (),
    is_first_payment: bool,
    is_sent: bool = False,
    plan_id: UUID | None = None,
    rhythm: Rhythm = ANYWHERE,
    is_tried_elsewhere: bool = False,
    now: datetime,
) -> Case:
    """Open a case with its first failure. One that waits for its first payment has no access yet that could be blocked.

    What was sent with terms is not tried: its time is up when the last try of another would have been.
    """
    concerned = subscription_ids or ((subscription_id,) if subscription_id else ())
    case = Case(
        tenant_id=failure.tenant_id,
        id=case_id,
        customer_id=failure.customer_id,
        invoice_id=failure.invoice_id,
        subscription_id=subscription_id,
        status=Status.OPEN,
        retries_made=0,
        first_failed_at=failure.failed_at,
        last_failed_at=failure.failed_at,
        last_decline_code=failure.decline_code,
        opened_at=now,
        next_reminder_at=schedule.next_reminder(policy, first_failed_at=failure.failed_at, after=failure.failed_at),
        is_sent=is_sent,
        subscription_ids=concerned,
        plan_id=plan_id,
    )
    blocks = policy.blocks_at_first_failure and bool(concerned) and not is_first_payment
    case = replace(case, is_blocking=blocks)
    if not is_sent:
        return moved_on(case, failure, policy, rhythm=rhythm, is_tried_elsewhere=is_tried_elsewhere)
    # Without a subscription there is nothing that could end: it is reminded of, and stays owed.
    return replace(case, block_at=schedule.time_is_up_at(policy, due_at=failure.failed_at) if concerned else None)


def moved_on(
    case: Case, failure: Failure, policy: Policy, *, rhythm: Rhythm = ANYWHERE, is_tried_elsewhere: bool = False
) -> Case:
    """Count a failure: plan the next try, or none where there is no use or no more of them.

    A try by hand, with a new method or with another one of the customer's uses up none of the planned ones. While it
    `is_tried_elsewhere`, the case does not end: the outcome of that says how it goes on. A paused case keeps its dates.
    """
    is_latest = failure.failed_at >= case.last_failed_at
    counted = replace(
        case,
        last_failed_at=max(case.last_failed_at, failure.failed_at),
        last_decline_code=failure.decline_code if is_latest else case.last_decline_code,
        is_hard=failure.is_hard if is_latest else case.is_hard,
    )
    if case.status is Status.PAUSED:
        return replace(counted, status=lifecycle.take(MOVES, case.status, Step.FAIL))
    next_retry_at = schedule.next_retry(
        policy, first_failed_at=case.first_failed_at, retries_made=case.retries_made, rhythm=rhythm
    )
    has_no_use = failure.is_hard and policy.stops_at_hard_decline
    ends = case.status is Status.OPEN and not is_tried_elsewhere and (has_no_use or next_retry_at is None)
    status = lifecycle.take(MOVES, case.status, Step.EXHAUST if ends else Step.FAIL)
    return replace(counted, status=status, next_retry_at=next_retry_at if status is Status.OPEN else None)


def paused(case: Case, *, until: datetime | None) -> Case:
    """Let a case stand still. Its dates are kept, and nobody looks at them."""
    status = lifecycle.take(MOVES, case.status, Step.PAUSE)
    return replace(case, status=status, paused_from=case.status, paused_until=until)


def resumed(case: Case, policy: Policy, *, rhythm: Rhythm = ANYWHERE, is_under_way: bool = False, at: datetime) -> Case:
    """Let a case go on: what fell due meanwhile is due now, of several tries or reminders one.

    One whose tries had all been made, or that was told meanwhile that there is no use, is exhausted with it; while a
    payment is under way, what comes of that says so.
    """
    assert case.paused_from is not None, case.ref
    step = Step.RESUME if case.paused_from is Status.OPEN else Step.RESUME_EXHAUSTED
    going = replace(case, status=lifecycle.take(MOVES, case.status, step), paused_from=None, paused_until=None)
    if going.status is not Status.OPEN or case.is_sent:
        return going
    if is_under_way:
        return replace(going, next_retry_at=None)
    made, next_retry_at = schedule.retries_after_pause(
        policy, first_failed_at=case.first_failed_at, retries_made=case.retries_made, now=at, rhythm=rhythm
    )
    if next_retry_at is None or (case.is_hard and policy.stops_at_hard_decline):
        return replace(going, status=lifecycle.take(MOVES, going.status, Step.EXHAUST), next_retry_at=None)
    return replace(going, retries_made=made, next_retry_at=next_retry_at)


def time_is_up(case: Case) -> Case:
    """End the waiting for what was sent: dated by when its time was up, whenever that is noticed."""
    assert case.is_sent, case.ref
    assert case.block_at is not None, case.ref
    status = lifecycle.take(MOVES, case.status, Step.EXHAUST)
    return replace(case, status=status, last_failed_at=max(case.last_failed_at, case.block_at), block_at=None)


def tried(case: Case) -> Case:
    """Count an automatic try that is made now. What comes of it plans the next."""
    return replace(case, retries_made=case.retries_made + 1, next_retry_at=None)


def put_off(case: Case) -> Case:
    """Make no try now: a payment is under way, and what comes of it plans the next."""
    return replace(case, next_retry_at=None)


def reminded(case: Case, policy: Policy, *, now: datetime) -> Case:
    """Count a reminder, and plan the next one after now: missed ones are not made up for."""
    next_at = schedule.next_reminder(policy, first_failed_at=case.first_failed_at, after=now)
    return replace(case, reminders_sent=case.reminders_sent + 1, next_reminder_at=next_at)


def unreminded(case: Case) -> Case:
    """Remind no more: what is owed has come in, and the case ends in a moment."""
    return replace(case, next_reminder_at=None)


def to_block(case: Case, policy: Policy) -> Case:
    """Plan the block of an exhausted case: at once without a grace, else when that has run out."""
    if case.is_blocking:
        return case
    at = schedule.block_at(policy, exhausted_at=case.last_failed_at)
    return replace(case, block_at=at)


def blocked(case: Case) -> Case:
    return replace(case, is_blocking=True, block_at=None)


def ended(case: Case, step: Step, *, at: datetime) -> Case:
    """End a case: recovered, or closed."""
    status = lifecycle.take(MOVES, case.status, step)
    return replace(
        case,
        status=status,
        closed_at=at,
        next_retry_at=None,
        next_reminder_at=None,
        block_at=None,
        is_blocking=False,
        paused_from=None,
        paused_until=None,
    )
