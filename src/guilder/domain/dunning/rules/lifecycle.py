"""The states of a case. What is not in the table cannot happen; docs/design/dunning.md draws its picture from it."""

from enum import StrEnum

from guilder.domain.dunning.model import Status
from guilder.kernel import lifecycle


class Step(StrEnum):
    FAIL = "fail"  # a try failed, and another is planned
    EXHAUST = "exhaust"  # the last planned try failed, or the bank said that there is no use
    PAUSE = "pause"  # a person said so
    RESUME = "resume"  # a person said so, or its date has come: back to the tries
    RESUME_EXHAUSTED = "resume_exhausted"  # the same, of one whose tries had ended before it was paused
    RECOVER = "recover"  # the invoice is paid
    CLOSE = "close"  # nothing is owed any more, or it was given up


MOVES: dict[Status, dict[Step, Status]] = {
    Status.OPEN: {
        Step.FAIL: Status.OPEN,
        Step.EXHAUST: Status.EXHAUSTED,
        Step.PAUSE: Status.PAUSED,
        Step.RECOVER: Status.RECOVERED,
        Step.CLOSE: Status.CLOSED,
    },
    Status.EXHAUSTED: {
        Step.FAIL: Status.EXHAUSTED,  # by hand, or with a new method: it stays as it is
        Step.PAUSE: Status.PAUSED,
        Step.RECOVER: Status.RECOVERED,
        Step.CLOSE: Status.CLOSED,
    },
    Status.PAUSED: {
        Step.FAIL: Status.PAUSED,  # what was under way when it was paused; its dates stay
        Step.RESUME: Status.OPEN,
        Step.RESUME_EXHAUSTED: Status.EXHAUSTED,
        Step.RECOVER: Status.RECOVERED,
        Step.CLOSE: Status.CLOSED,
    },
    Status.RECOVERED: {},
    Status.CLOSED: {},
}
assert set(MOVES) == set(Status)

FINAL = lifecycle.final(MOVES)
LIVE = frozenset(MOVES) - FINAL


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> open: a saved method is declined"]
    for status, steps in MOVES.items():
        lines += [f"    {status.value} --> {after.value}: {step.value}" for step, after in steps.items()]
    lines += [f"    {status.value} --> [*]" for status in MOVES if status in FINAL]
    return "\n".join(lines)
