"""Every move an invoice can make. What is not in the table cannot happen."""

from enum import StrEnum

from guilder.domain.invoicing.model import Status


class Step(StrEnum):
    FINALIZE = "finalize"
    SETTLE = "settle"
    VOID = "void"
    GIVE_UP = "give_up"


MOVES: dict[Status, dict[Step, Status]] = {
    Status.DRAFT: {Step.FINALIZE: Status.OPEN},
    Status.OPEN: {Step.SETTLE: Status.PAID, Step.VOID: Status.VOID, Step.GIVE_UP: Status.UNCOLLECTIBLE},
    Status.PAID: {},  # a refund is a credit note or a ledger entry, a lost dispute a write-off: neither reopens it
    Status.UNCOLLECTIBLE: {Step.SETTLE: Status.PAID},
    Status.VOID: {},
}
assert set(MOVES) == set(Status)
