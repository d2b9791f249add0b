"""The timetable: what the clock asks, as data.

A job finds rows that are due and does them; a chore keeps the house and belongs to no tenant. `wiring/timetable.py`
is the one list of both.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from guilder.kernel.ids import Ref
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx


class Run(Protocol):
    """Do what is due of these rows, in this transaction; return how many were done.

    It locks the rows with FOR UPDATE SKIP LOCKED and looks again whether each is due: another node may have been
    faster. All tenants of a batch are on the same clock, which says `now`. Work is dated by when it fell due.
    """

    def __call__(self, tx: Tx, refs: Sequence[Ref], /, *, now: datetime) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One kind of due work.

    `find` names a SQL definer function of the room,
    `schema.function(p_tenant uuid, p_now timestamptz, p_limit int) returns table (tenant_id uuid, id uuid, due_at
    timestamptz)`: the rows with due_at <= p_now, ordered by due_at. p_tenant null means every tenant on the wall clock
    that is not suspended; p_now may be 'infinity', which asks what will be due next.
    """

    name: str
    find: str
    run: Run
    batch_max: int = 500
    at_once: int = 1
    """So many batches are done side by side: while PostgreSQL writes one, another is worked out."""
    every_s: float = 1.0
    is_shared: bool = False
    """A batch is shared between the tenants: `find` answers for one of them by a step into an index, too."""

    def __post_init__(self) -> None:
        # It goes into SQL as it is: a name, never anything from outside.
        assert self.find.replace(".", "", 1).replace("_", "").isalnum(), self.find
        assert self.find.isascii(), self.find


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Housekeeping (partitions, purges), done by one node at a time, about every `every_s` seconds."""

    name: str
    every_s: float
    run: Callable[[Database], Awaitable[None]]


class Timetable:
    """Every job and chore, in the order in which work due at the same instant is done."""

    def __init__(self, jobs: Sequence[Job], chores: Sequence[Chore] = ()) -> None:
        names = [job.name for job in jobs] + [chore.name for chore in chores]
        assert len(names) == len(set(names)), names
        self.jobs = tuple(jobs)
        self.chores = tuple(chores)


class Due(NamedTuple):
    """A row that a job's find function named, and when it fell (or falls) due."""

    job: str
    ref: Ref
    due_at: datetime
