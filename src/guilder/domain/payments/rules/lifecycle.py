"""The states of a payment, a refund and a method. What is not in the table cannot happen."""

from enum import StrEnum

from guilder.domain.payments.model import MethodStatus, RefundStatus, Status
from guilder.kernel import lifecycle


class Step(StrEnum):
    OPEN = "open"  # the customer opened the link: a provider is asked from here on
    PREPARE = "prepare"
    ASK_CUSTOMER = "ask_customer"
    DOUBT = "doubt"  # no answer, or one that cannot be
    GIVE_UP = "give_up"  # close it at the provider first
    CANCEL = "cancel"
    DECLINE = "decline"
    SUCCEED = "succeed"


_IN_FLIGHT = {
    Step.ASK_CUSTOMER: Status.REQUIRES_ACTION,
    Step.DOUBT: Status.UNKNOWN,
    Step.GIVE_UP: Status.CANCELING,
    Step.CANCEL: Status.CANCELED,
    Step.DECLINE: Status.DECLINED,
    Step.SUCCEED: Status.SUCCEEDED,
}

MOVES: dict[Status, dict[Step, Status]] = {
    Status.AWAITING_CUSTOMER: {Step.OPEN: Status.REQUESTED, Step.CANCEL: Status.CANCELED},
    Status.REQUESTED: {**_IN_FLIGHT, Step.OPEN: Status.REQUESTED, Step.PREPARE: Status.PREPARED},
    Status.PREPARED: _IN_FLIGHT,
    Status.REQUIRES_ACTION: {**_IN_FLIGHT, Step.OPEN: Status.REQUESTED},
    Status.UNKNOWN: _IN_FLIGHT,
    # Given up: only what is final at the provider ends it.
    Status.CANCELING: {
        Step.GIVE_UP: Status.CANCELING,
        Step.CANCEL: Status.CANCELED,
        Step.SUCCEED: Status.SUCCEEDED,
    },
    Status.SUCCEEDED: {},
    Status.DECLINED: {Step.SUCCEED: Status.SUCCEEDED},  # only a fact of the gateway takes this step
    Status.CANCELED: {},
}
assert set(MOVES) == set(Status)

SETTLED = frozenset({Status.SUCCEEDED, Status.DECLINED, Status.CANCELED})
IN_FLIGHT = frozenset(Status) - SETTLED


class RefundStep(StrEnum):
    GRANT = "grant"
    REFUSE = "refuse"
    SUCCEED = "succeed"
    FAIL = "fail"


REFUND_MOVES: dict[RefundStatus, dict[RefundStep, RefundStatus]] = {
    RefundStatus.ASKED: {RefundStep.GRANT: RefundStatus.PENDING, RefundStep.REFUSE: RefundStatus.REFUSED},
    RefundStatus.PENDING: {RefundStep.SUCCEED: RefundStatus.SUCCEEDED, RefundStep.FAIL: RefundStatus.FAILED},
    RefundStatus.REFUSED: {},
    RefundStatus.SUCCEEDED: {},
    RefundStatus.FAILED: {},
}
assert set(REFUND_MOVES) == set(RefundStatus)


class MethodStep(StrEnum):
    VALIDATE = "validate"
    REJECT = "reject"
    REMOVE = "remove"


METHOD_MOVES: dict[MethodStatus, dict[MethodStep, MethodStatus]] = {
    MethodStatus.PENDING: {
        MethodStep.VALIDATE: MethodStatus.VALID,
        MethodStep.REJECT: MethodStatus.INVALID,
        MethodStep.REMOVE: MethodStatus.REMOVED,
    },
    # A provider may lose what it had validated.
    MethodStatus.VALID: {MethodStep.REJECT: MethodStatus.INVALID, MethodStep.REMOVE: MethodStatus.REMOVED},
    MethodStatus.INVALID: {MethodStep.REMOVE: MethodStatus.REMOVED},
    MethodStatus.REMOVED: {},
}
assert set(METHOD_MOVES) == set(MethodStatus)


def allows(status: Status, step: Step) -> bool:
    return step in MOVES[status]


def after(status: Status, step: Step) -> Status:
    return lifecycle.take(MOVES, status, step)
