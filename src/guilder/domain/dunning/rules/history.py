"""What a case's history says of what happened to it."""

from uuid import UUID

from guilder.domain.dunning.model import Case, Change, ChangeKind, Failure, Status
from guilder.kernel.noun import replace

NEW_METHOD = "new_method"


def line(
    kind: ChangeKind, case: Case, *, was: Status | None, reason: str = "", payment_id: UUID | None = None
) -> Change:
    """Say that this brought the case from how it `was` to how it stands."""
    return Change(
        tenant_id=case.tenant_id,
        case_id=case.id,
        change=kind,
        from_status=was,
        to_status=case.status,
        reason=reason,
        payment_id=payment_id,
        next_retry_at=case.next_retry_at,
    )


def same(kind: ChangeKind, case: Case, *, reason: str = "", payment_id: UUID | None = None) -> Change:
    """Say that this happened, and left the case in its state."""
    return line(kind, case, was=case.status, reason=reason, payment_id=payment_id)


def of_failure(failure: Failure, before: Case | None, after: Case) -> list[Change]:
    """Say what a failure did. That it exhausted the case is a line of its own, and not said here."""
    payment_id = None if failure.payment_id == after.id else failure.payment_id
    standing = replace(after, status=before.status if before else Status.OPEN)
    if before is not None:
        return [same(ChangeKind.FAILED, standing, reason=failure.decline_code, payment_id=payment_id)]
    opened = line(ChangeKind.OPENED, standing, was=None, reason=failure.decline_code, payment_id=payment_id)
    return [opened, same(ChangeKind.BLOCKED, standing, reason="payment_failed")] if after.is_blocking else [opened]
