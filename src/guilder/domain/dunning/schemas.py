"""What HTTP says and hears of dunning."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.dunning.model import Case, FinalAction, Policy, Status
from guilder.kernel.ids import TenantId
from guilder.platform.http.fields import IdOf, In, Out

CaseRef = Annotated[UUID, IdOf("case")]
CustomerRef = Annotated[UUID, IdOf("cus")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]


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


class PolicyIn(In):
    """All of the policy: days are counted from the first failure, and go up."""

    retry_days: Annotated[list[Annotated[int, Field(ge=1, le=60)]], Field(max_length=8)]
    reminder_every_days: Annotated[int, Field(ge=1, le=365)] = 3
    reminders_max: Annotated[int, Field(ge=0, le=100)] = 10
    final_action: FinalAction = FinalAction.SUSPEND
    blocks_at_first_failure: bool = False
    grace_days: Annotated[int, Field(ge=0, le=365)] = 0

    def to_model(self, tenant_id: TenantId) -> Policy:
        return Policy(
            tenant_id=tenant_id,
            retry_days=tuple(self.retry_days),
            reminder_every_days=self.reminder_every_days,
            reminders_max=self.reminders_max,
            final_action=self.final_action,
            blocks_at_first_failure=self.blocks_at_first_failure,
            grace_days=self.grace_days,
        )


class PolicyOut(Out):
    retry_days: list[int]
    reminder_every_days: int
    reminders_max: int
    final_action: FinalAction
    blocks_at_first_failure: bool
    grace_days: int


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
    )


def policy_to_wire(policy: Policy) -> PolicyOut:
    return PolicyOut(
        retry_days=list(policy.retry_days),
        reminder_every_days=policy.reminder_every_days,
        reminders_max=policy.reminders_max,
        final_action=policy.final_action,
        blocks_at_first_failure=policy.blocks_at_first_failure,
        grace_days=policy.grace_days,
    )
