"""What is announced of a case and written into its history; what cases are worked out by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.customers import service as customers
from guilder.domain.dunning import store
from guilder.domain.dunning.events import CaseChanged, DunningEvent, RetryPlanned
from guilder.domain.dunning.model import Case, Change, Policy, Rhythm
from guilder.domain.dunning.rules import paydays
from guilder.domain.payments import service as payments
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

E = TypeVar("E", bound=DunningEvent)
Key = tuple[TenantId, UUID | None]


def event(kind: Callable[..., E], case: Case, **more: Any) -> E:
    return kind(
        tenant_id=case.tenant_id,
        case_id=case.id,
        customer_id=case.customer_id,
        invoice_id=case.invoice_id,
        subscription_id=case.subscription_id,
        subscription_ids=case.subscription_ids,
        **more,
    )


def retry_planned(case: Case) -> RetryPlanned:
    return event(
        RetryPlanned,
        case,
        retries_made=case.retries_made,
        decline_code=case.last_decline_code,
        next_retry_at=case.next_retry_at,
    )


async def record(tx: Tx, changes: Sequence[tuple[Case, Change]], *, now: datetime) -> None:
    """Write into the histories of these cases, which are held, what has happened to them, and announce it."""
    if not changes:
        return
    await store.insert_changes(tx, [change for _, change in changes], now=now)
    told = [
        event(
            CaseChanged,
            case,
            change=change.change.value,
            from_status=change.from_status.value if change.from_status else None,
            to_status=change.to_status.value,
            actor=tx.actor,
            next_retry_at=change.next_retry_at,
        )
        for case, change in changes
    ]
    outbox.announce(tx, told, now=now)


async def policies_of(tx: Tx, keys: Iterable[Key]) -> dict[Key, Policy]:
    """Return the policy that holds for each tenant and plan: the plan's own, else its tenant's, else the usual one."""
    wanted = set(keys)
    known = await store.policies(tx, wanted) if wanted else {}
    return {key: known.get(key) or known.get((key[0], None)) or Policy(tenant_id=key[0]) for key in wanted}


async def rhythms_of(tx: Tx, policies: Mapping[Ref, Policy]) -> dict[Ref, Rhythm]:
    """Return of these customers, with the policies that hold for them, when they are likely to pay.

    One whose policy asks for nothing of the kind is not in it.
    """
    asking = {ref: each for ref, each in policies.items() if each.pay_day_aware or each.retry_hour is not None}
    if not asking:
        return {}
    people = await customers.get(tx, refs=sorted(asking))
    learning = sorted(ref for ref, each in asking.items() if each.pay_day_aware and each.retry_hour is None)
    paid = await payments.paid_at(tx, customers=learning)
    return {
        ref: Rhythm(zone=zone, usual_hour=paydays.usual_hour(paid.get(ref, ()), zone))
        for ref, customer in people.items()
        for zone in (ZoneInfo(customer.time_zone),)
    }


def subscription_refs(cases: Sequence[Case]) -> list[Ref]:
    return sorted({ref for case in cases for ref in case.subscription_refs})
