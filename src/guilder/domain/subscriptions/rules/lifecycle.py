"""The states of a subscription. What is not in the table cannot happen."""

from enum import StrEnum

from guilder.domain.subscriptions.model import Status
from guilder.kernel import lifecycle


class Step(StrEnum):
    ACTIVATE = "activate"
    ROLL = "roll"  # a period or a trial ended, and the next period begins
    CHANGE = "change"
    SCHEDULE = "schedule"  # plan a change, opt out, opt in again
    FALL_BEHIND = "fall_behind"
    RECOVER = "recover"
    SUSPEND = "suspend"
    CANCEL = "cancel"
    EXPIRE = "expire"


MOVES: dict[Status, dict[Step, Status]] = {
    Status.PROCESSING: {
        Step.ACTIVATE: Status.ACTIVE,
        Step.CANCEL: Status.EXPIRED,  # never paid for, so it never began
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.TRIALING: {
        Step.ROLL: Status.ACTIVE,
        Step.CHANGE: Status.TRIALING,
        Step.SCHEDULE: Status.TRIALING,
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.ACTIVE: {
        Step.ROLL: Status.ACTIVE,
        Step.CHANGE: Status.ACTIVE,
        Step.SCHEDULE: Status.ACTIVE,
        Step.FALL_BEHIND: Status.PAST_DUE,
        Step.SUSPEND: Status.SUSPENDED,
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.PAST_DUE: {
        Step.ROLL: Status.PAST_DUE,
        Step.SCHEDULE: Status.PAST_DUE,
        Step.FALL_BEHIND: Status.PAST_DUE,
        Step.RECOVER: Status.ACTIVE,
        Step.SUSPEND: Status.SUSPENDED,
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.SUSPENDED: {
        Step.RECOVER: Status.ACTIVE,
        Step.SUSPEND: Status.SUSPENDED,
        Step.CANCEL: Status.CANCELED,
    },
    Status.CANCELED: {},
    Status.EXPIRED: {},
}
assert set(MOVES) == set(Status)

FINAL = lifecycle.final(MOVES)
ROLLING = frozenset(status for status, steps in MOVES.items() if Step.ROLL in steps)


def allows(status: Status, step: Step) -> bool:
    return step in MOVES[status]
