"""Every move a request can make. What is not in the table cannot happen."""

from datetime import timedelta

from guilder.domain.privacy.model import RequestKind, State, Step
from guilder.kernel.lifecycle import Moves

MOVES: Moves[State, Step] = {
    State.ASKED: {
        Step.GRANT: State.WAITING,
        Step.FINISH: State.DONE,
        Step.REFUSE: State.REFUSED,
        Step.CANCEL: State.CANCELED,
    },
    State.WAITING: {Step.BEGIN: State.RUNNING, Step.REFUSE: State.REFUSED, Step.CANCEL: State.CANCELED},
    State.RUNNING: {Step.FINISH: State.DONE},
    State.DONE: {},
    State.REFUSED: {},
    State.CANCELED: {},
}
assert set(MOVES) == set(State)

ANSWER_WITHIN = timedelta(days=30)
LOOK_AGAIN = timedelta(days=1)
FILE_KEPT = timedelta(days=7)
# What was on its way when somebody was forgotten has come by then, and is looked for once more.
SWEEP_AFTER = timedelta(days=30)
# Done by a person, and noted here.
BY_HAND = frozenset({RequestKind.RECTIFICATION, RequestKind.RESTRICTION, RequestKind.OBJECTION})


def first(kind: RequestKind, *, is_granted: bool) -> State:
    """Return where a request begins: an export runs, an erasure needs the tenant's grant, the rest needs a person."""
    if kind is RequestKind.EXPORT:
        return State.RUNNING
    return State.WAITING if kind is RequestKind.ERASURE and is_granted else State.ASKED
