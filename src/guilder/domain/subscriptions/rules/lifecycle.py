"""The states of a subscription. What is not in the table cannot happen."""

from enum import StrEnum

from guilder.domain.subscriptions.model import Status
from guilder.kernel import lifecycle


class Step(StrEnum):
    START = "start"  # its date has come, and nothing has to be paid first
    START_TRIAL = "start_trial"
    START_UNPAID = "start_unpaid"  # its date has come, and its first payment is waited for
    ACTIVATE = "activate"
    ROLL = "roll"  # a period or a trial ended, and the next period begins
    CHANGE = "change"
    CHANGE_PAID = "change_paid"  # it was asked for before, and has been paid for since
    SCHEDULE = "schedule"  # plan a change, opt out, opt in again
    FALL_BEHIND = "fall_behind"
    RECOVER = "recover"
    SUSPEND = "suspend"
    PAUSE = "pause"  # now, within a period
    LAPSE = "lapse"  # a period or a trial ended, and the next one waits until it is resumed
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"


MOVES: dict[Status, dict[Step, Status]] = {
    Status.SCHEDULED: {
        Step.START: Status.ACTIVE,
        Step.START_TRIAL: Status.TRIALING,
        Step.START_UNPAID: Status.PROCESSING,
        Step.CANCEL: Status.EXPIRED,  # it never began
    },
    Status.PROCESSING: {
        Step.ACTIVATE: Status.ACTIVE,
        Step.CANCEL: Status.EXPIRED,  # never paid for, so it never began
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.TRIALING: {
        Step.ROLL: Status.ACTIVE,
        Step.CHANGE: Status.TRIALING,
        Step.CHANGE_PAID: Status.TRIALING,
        Step.SCHEDULE: Status.TRIALING,
        Step.LAPSE: Status.PAUSED,
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.ACTIVE: {
        Step.ROLL: Status.ACTIVE,
        Step.CHANGE: Status.ACTIVE,
        Step.CHANGE_PAID: Status.ACTIVE,
        Step.SCHEDULE: Status.ACTIVE,
        Step.FALL_BEHIND: Status.PAST_DUE,
        Step.SUSPEND: Status.SUSPENDED,
        Step.PAUSE: Status.PAUSED,
        Step.LAPSE: Status.PAUSED,
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.PAST_DUE: {
        Step.ROLL: Status.PAST_DUE,
        Step.CHANGE_PAID: Status.PAST_DUE,  # no other one: what is owed comes first
        Step.SCHEDULE: Status.PAST_DUE,
        Step.FALL_BEHIND: Status.PAST_DUE,
        Step.RECOVER: Status.ACTIVE,
        Step.SUSPEND: Status.SUSPENDED,
        Step.LAPSE: Status.PAUSED,  # not within a period: what is owed is not escaped by pausing
        Step.CANCEL: Status.CANCELED,
        Step.EXPIRE: Status.EXPIRED,
    },
    Status.PAUSED: {
        Step.RESUME: Status.ACTIVE,
        Step.CANCEL: Status.CANCELED,
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
