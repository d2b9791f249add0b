"""What HTTP says and hears of dunning."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.dunning.model import Case, Change, ChangeKind, FinalAction, Policy, Schedule, Status
from guilder.kernel.ids import TenantId
from guilder.platform.http.fields import IdOf, In, Instant, Out, Text

CaseRef = Annotated[UUID, IdOf("case")]
CustomerRef = Annotated[UUID, IdOf("cus")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]
PaymentRef = Annotated[UUID, IdOf("pay")]
PlanRef = Annotated[UUID, IdOf("plan")]
Reason = Annotated[str, Text(500)]


class CaseOut(Out):
    id: CaseRef
    status: Status
    customer_id: CustomerRef
    invoice_id: InvoiceRef
    subscription_id: SubscriptionRef | None
    subscription_ids: list[SubscriptionRef]
    is_sent: bool
    retries_made: int
    first_failed_at: datetime
    last_failed_at: datetime
    last_decline_code: str
    next_retry_at: datetime | None
    next_reminder_at: datetime | None
    block_at: datetime | None
    reminders_sent: int
    is_blocking: bool
    opened_at: datetime
    closed_at: datetime | None
    plan_id: PlanRef | None
    paused_from: Status | None
    paused_until: datetime | None


class ChangeOut(Out):
    """`reason` is a decline code, or what whoever did it said. `n` counts from 1, in the order of what happened."""

    n: int
    at: datetime | None
    change: ChangeKind
    from_status: Status | None
    to_status: Status
    reason: str
    actor: str
    payment_id: PaymentRef | None
    next_retry_at: datetime | None


class ReasonIn(In):
    reason: Reason


class PauseIn(ReasonIn):
    """Without `until` it stands still until it is resumed."""

    until: Instant | None = None


class PolicyIn(In):
    """All of the policy: days are counted from the first failure, and go up. What is not said is as usual.

    `final_action`: after the last try the subscription is suspended, canceled, or left past due; access ends with it,
    or `grace_days` later. `falls_back`: a soft decline has the customer's other methods tried at once.
    `pay_day_aware`: a try moves, by three days at most, onto the 1st, the 15th, the last working day of the month, or
    onto the hour at which the customer paid before; `retry_hour`, of the customer's local day, goes before that hour.
    """

    retry_days: Annotated[list[Annotated[int, Field(ge=1, le=60)]], Field(max_length=8)]
    reminder_every_days: Annotated[int, Field(ge=1, le=365)] = 3
    reminders_max: Annotated[int, Field(ge=0, le=100)] = 10
    final_action: FinalAction = FinalAction.SUSPEND
    blocks_at_first_failure: bool = False
    grace_days: Annotated[int, Field(ge=0, le=365)] = 0
    stops_at_hard_decline: bool = True
    falls_back: bool = True
    pay_day_aware: bool = False
    retry_hour: Annotated[int, Field(ge=0, le=23)] | None = None

    def to_model(self, tenant_id: TenantId, plan_id: UUID | None = None) -> Policy:
        return Policy(
            tenant_id=tenant_id,
            plan_id=plan_id,
            retry_days=tuple(self.retry_days),
            reminder_every_days=self.reminder_every_days,
            reminders_max=self.reminders_max,
            final_action=self.final_action,
            blocks_at_first_failure=self.blocks_at_first_failure,
            grace_days=self.grace_days,
            stops_at_hard_decline=self.stops_at_hard_decline,
            falls_back=self.falls_back,
            pay_day_aware=self.pay_day_aware,
            retry_hour=self.retry_hour,
        )


class ScheduleOut(Out):
    """What the policy comes to for something that fails at `failed_at`, where the tenant is, and is never paid."""

    failed_at: datetime
    retries: list[datetime]
    reminders: list[datetime]
    ends_at: datetime
    blocks_at: datetime


class PolicyOut(Out):
    """`plan_id` is null where the tenant's own rules hold."""

    plan_id: PlanRef | None
    retry_days: list[int]
    reminder_every_days: int
    reminders_max: int
    final_action: FinalAction
    blocks_at_first_failure: bool
    grace_days: int
    stops_at_hard_decline: bool
    falls_back: bool
    pay_day_aware: bool
    retry_hour: int | None
    example: ScheduleOut


def case_to_wire(case: Case) -> CaseOut:
    return CaseOut(
        id=case.id,
        status=case.status,
        customer_id=case.customer_id,
        invoice_id=case.invoice_id,
        subscription_id=case.subscription_id,
        subscription_ids=list(case.subscription_ids),
        is_sent=case.is_sent,
        retries_made=case.retries_made,
        first_failed_at=case.first_failed_at,
        last_failed_at=case.last_failed_at,
        last_decline_code=case.last_decline_code,
        next_retry_at=case.next_retry_at,
        next_reminder_at=case.next_reminder_at,
        block_at=case.block_at,
        reminders_sent=case.reminders_sent,
        is_blocking=case.is_blocking,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        plan_id=case.plan_id,
        paused_from=case.paused_from,
        paused_until=case.paused_until,
    )


def change_to_wire(change: Change) -> ChangeOut:
    return ChangeOut(
        n=change.n,
        at=change.at,
        change=change.change,
        from_status=change.from_status,
        to_status=change.to_status,
        reason=change.reason,
        actor=change.actor,
        payment_id=change.payment_id,
        next_retry_at=change.next_retry_at,
    )


def policy_to_wire(policy: Policy, example: Schedule) -> PolicyOut:
    return PolicyOut(
        plan_id=policy.plan_id,
        retry_days=list(policy.retry_days),
        reminder_every_days=policy.reminder_every_days,
        reminders_max=policy.reminders_max,
        final_action=policy.final_action,
        blocks_at_first_failure=policy.blocks_at_first_failure,
        grace_days=policy.grace_days,
        stops_at_hard_decline=policy.stops_at_hard_decline,
        falls_back=policy.falls_back,
        pay_day_aware=policy.pay_day_aware,
        retry_hour=policy.retry_hour,
        example=ScheduleOut(
            failed_at=example.failed_at,
            retries=list(example.retries),
            reminders=list(example.reminders),
            ends_at=example.ends_at,
            blocks_at=example.blocks_at,
        ),
    )
