"""How far what is due has been done: the tenant's own runs, as staff may see them."""

from datetime import datetime

from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.fields import Out
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session
from guilder.platform.jobs import runs
from guilder.platform.jobs.runs import Run

router = Router(prefix="/api/runs", tags=["runs"])


class RunOut(Out):
    """A job's run: what it has done since it last paused for five minutes, within the last day.

    `left` was counted at the last look, without what was done since; `left_is_least` says that counting was given up
    there. `left` is null where nobody counts, and `seconds_left` where nobody knows: it is at the pace of the last minute.
    """

    job: str
    began_at: datetime | None
    last_at: datetime | None
    done: int
    per_second: float
    left: int | None
    left_is_least: bool
    seconds_left: int | None
    failing: int


def run_to_wire(run: Run) -> RunOut:
    return RunOut(
        job=run.job,
        began_at=run.began_at,
        last_at=run.last_at,
        done=run.done,
        per_second=round(run.rate_per_s, 3),
        left=run.left,
        left_is_least=run.is_least,
        seconds_left=run.seconds_left,
        failing=run.failing,
    )


@router.get("", may_lag=True)
async def list_runs(session: Session) -> Envelope[list[RunOut]]:
    """Return how far renewals and the other work that falls due have come: the busiest first."""
    return ok([run_to_wire(run) for run in await runs.runs(session.tx)])
