"""Credit that takes two persons: what one asked for and another one is to grant."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money


class CreditKind(StrEnum):
    GRANT = "grant"
    PAY_OUT = "pay_out"
    CREDIT_NOTE = "credit_note"


class RequestStatus(StrEnum):
    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"


class RequestStep(StrEnum):
    GRANT = "grant"
    REFUSE = "refuse"
    EXPIRE = "expire"


# Every move that a request can make. What is not in the table cannot happen.
MOVES: dict[RequestStatus, dict[RequestStep, RequestStatus]] = {
    RequestStatus.REQUESTED: {
        RequestStep.GRANT: RequestStatus.GRANTED,
        RequestStep.REFUSE: RequestStatus.REFUSED,
        RequestStep.EXPIRE: RequestStatus.EXPIRED,
    },
    RequestStatus.GRANTED: {},
    RequestStatus.REFUSED: {},
    RequestStatus.EXPIRED: {},
}
assert set(MOVES) == set(RequestStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTerms:
    """What of an invoice a credit note is to take back, and what becomes of the money."""

    lines: tuple[tuple[UUID, int | None], ...] = ()
    amount_minor: int | None = None
    give_back: str = "credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRequest:
    """`is_alone`: one person gave it, within what one may; it is kept to be counted. `made_id`: the credit or the note."""

    tenant_id: TenantId
    id: UUID
    kind: CreditKind
    status: RequestStatus
    customer_id: CustomerId
    amount: Money
    reason: str
    asked_by: str
    asked_at: datetime
    invoice_id: UUID | None = None
    terms: NoteTerms = NoteTerms()
    is_alone: bool = False
    decided_by: str = ""
    decided_at: datetime | None = None
    made_id: UUID | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)
