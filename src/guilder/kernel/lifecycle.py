"""Lifecycles: a state machine is a table of data. What is not in the table cannot happen."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from guilder.kernel.errors import Conflict

S = TypeVar("S", bound=StrEnum)
M = TypeVar("M", bound=StrEnum)

Moves = Mapping[S, Mapping[M, S]]


class IllegalStep(Conflict):
    """The object is not in a state in which this can be done."""

    code = "illegal_step"


def take(moves: Moves[S, M], status: S, step: M) -> S:
    """Return the state that `step` leads to.

    :raises IllegalStep: the table has no such move
    """
    after = moves[status].get(step)
    if after is None:
        allowed = ", ".join(sorted(moves[status])) or "nothing more"
        raise IllegalStep(f"cannot {step.value} what is {status.value}; it allows: {allowed}")
    return after


def final(moves: Moves[S, M]) -> frozenset[S]:
    """Return the states that nothing leaves."""
    return frozenset(status for status, steps in moves.items() if not steps)
