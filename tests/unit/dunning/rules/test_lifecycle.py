"""Every state, and every step: what the table has is all that can happen."""

import pytest

from guilder.domain.dunning.model import Status
from guilder.domain.dunning.rules.lifecycle import FINAL, LIVE, MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.lifecycle import IllegalStep

# Written out a second time, so that a change of the table is a change of two.
#           fail         exhaust      pause     resume  resume_exhausted  recover      close
TABLE = {
    "open": ("open", "exhausted", "paused", None, None, "recovered", "closed"),
    "exhausted": ("exhausted", None, "paused", None, None, "recovered", "closed"),
    "paused": ("paused", None, None, "open", "exhausted", "recovered", "closed"),
    "recovered": (None,) * 7,
    "closed": (None,) * 7,
}


@pytest.mark.parametrize(
    ("status", "step", "after"),
    [(Status(status), step, after) for status, row in TABLE.items() for step, after in zip(Step, row, strict=True)],
)
def test_each_step_from_each_state(status, step, after):
    if after is None:
        with pytest.raises(IllegalStep):
            lifecycle.take(MOVES, status, step)
    else:
        assert lifecycle.take(MOVES, status, step) == after


def test_what_is_over_stays_over():
    assert {each.value for each in FINAL} == {"recovered", "closed"}
    assert {each.value for each in LIVE} == {"open", "exhausted", "paused"}
