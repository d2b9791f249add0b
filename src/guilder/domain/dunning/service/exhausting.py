"""Every try failed: the apology, and what the policy says then."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.dunning import store
from guilder.domain.dunning.events import AccessToBlock, CaseClosed, RetriesExhausted
from guilder.domain.dunning.model import Case, ChangeKind, FinalAction, Policy, Status
from guilder.domain.dunning.rules import history, progress
from guilder.domain.dunning.rules.lifecycle import Step
from guilder.domain.dunning.service.telling import event, policies_of, record, subscription_refs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.domain.subscriptions.model import Subscription
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def exhaust(tx: Tx, cases: Sequence[Case], *, now: datetime) -> None:
    """End the tries of these cases.

    A subscription that never began expires and its invoice is void: nothing is owed for it. One that runs is canceled
    and its invoice written off, or it is suspended and access blocked until it is repaid, or left past due and only
    access blocked, as the policy says. What was bought once stays owed. Of several that share an invoice, all go the
    way of those that run. One whose beginning is still to come is left alone, and one that is paused stays so.
    """
    if not cases:
        return
    told = [history.line(ChangeKind.EXHAUSTED, case, was=Status.OPEN, reason=case.last_decline_code) for case in cases]
    await record(tx, list(zip(cases, told, strict=True)), now=now)
    policies = await policies_of(tx, (case.policy_key for case in cases))
    subjects = await subscriptions.get(tx, refs=subscription_refs(cases))
    apologies = [event(RetriesExhausted, case, decline_code=case.last_decline_code) for case in cases]
    outbox.announce(tx, apologies, now=now)
    never_begun, to_cancel, to_block = [], [], []
    for case in cases:
        begun = [subjects[ref] for ref in case.subscription_refs if ref in subjects]
        begun = [each for each in begun if each.status is not SubscriptionStatus.SCHEDULED]
        if not begun:
            continue
        if all(each.status is SubscriptionStatus.PROCESSING for each in begun):
            never_begun.append(case)
        elif _cancels(policies[case.policy_key], begun):
            to_cancel.append(case)
        else:
            to_block.append(progress.to_block(case, policies[case.policy_key]))
    await _end(tx, never_begun, to_cancel, now=now)
    await store.save(tx, to_block)
    # Without a grace the block falls due with the last failure itself.
    at_once = [case for case in to_block if case.block_at is None or case.block_at <= now]
    # A first failure that was the last one has not marked anything: with a grace it is behind, and still has access.
    await subscriptions.mark_past_due(
        tx, refs=subscription_refs([case for case in to_block if case not in at_once]), now=now
    )
    await suspend(tx, at_once, now=now)


def _cancels(policy: Policy, subjects: Sequence[Subscription]) -> bool:
    is_running = any(each.status is not SubscriptionStatus.SUSPENDED for each in subjects)
    return policy.final_action is FinalAction.CANCEL and is_running


async def _end(tx: Tx, never_begun: Sequence[Case], to_cancel: Sequence[Case], *, now: datetime) -> None:
    both = [*never_begun, *to_cancel]
    found = await subscriptions.get(tx, refs=subscription_refs(both))
    to_end = [ref for ref, each in found.items() if each.status is not SubscriptionStatus.SCHEDULED]
    await subscriptions.end(tx, refs=to_end, now=now)
    await invoicing.void(tx, refs=[case.invoice_ref for case in never_begun], now=now)
    await invoicing.give_up(tx, refs=[case.invoice_ref for case in to_cancel], now=now)
    await close(tx, both, now=now)


async def close(
    tx: Tx, cases: Sequence[Case], *, kind: ChangeKind = ChangeKind.CLOSED, reason: str = "", now: datetime
) -> list[Case]:
    closed = [progress.ended(case, Step.CLOSE, at=now) for case in cases]
    await store.save(tx, closed)
    told = [
        (after, history.line(kind, after, was=case.status, reason=reason))
        for case, after in zip(cases, closed, strict=True)
    ]
    await record(tx, told, now=now)
    outbox.announce(tx, [event(CaseClosed, case) for case in closed], now=now)
    return closed


async def suspend(tx: Tx, cases: Sequence[Case], *, now: datetime) -> None:
    """Suspend what these cases are about, where the policy does not leave it past due, and have access blocked."""
    policies = await policies_of(tx, (case.policy_key for case in cases))
    stopped = [case for case in cases if policies[case.policy_key].final_action is not FinalAction.LEAVE_PAST_DUE]
    left = [case for case in cases if case not in stopped]
    await subscriptions.suspend(tx, refs=subscription_refs(stopped), now=now)
    await subscriptions.mark_past_due(tx, refs=subscription_refs(left), now=now)
    fresh = [case for case in cases if not case.is_blocking]
    await store.save(tx, [progress.blocked(case) for case in cases])
    reason = "retries_exhausted"
    await record(tx, [(case, history.same(ChangeKind.BLOCKED, case, reason=reason)) for case in fresh], now=now)
    outbox.announce(tx, [event(AccessToBlock, case, reason=reason) for case in fresh], now=now)
