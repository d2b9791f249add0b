"""Gathering: one look at everything that the page of metrics tells of the whole installation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from guilder.platform import metrics
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.jobs import runs
from guilder.platform.jobs import store as jobs
from guilder.platform.jobs.runs import Run
from guilder.platform.jobs.timetable import Job
from guilder.wiring.doctor.report import Report
from guilder.wiring.watching.queries import QUERIES, Query

ROLE = "guilder_doctor"
STATEMENT_TIMEOUT = "10s"
ACTOR = "watcher"

_SANDBOXES = "select tenant_id from identity.tenants where tenant_id = any ($1::uuid[]) and mode = 'sandbox'"


async def gather(connection: "asyncpg.Connection[asyncpg.Record]", *, now: datetime) -> None:
    """Look once, on a connection outside any pool, and show what was found.

    :raises asyncpg.InsufficientPrivilegeError: the login is not a member of the doctor's role
    """
    async with connection.transaction(readonly=True):
        await connection.execute(f"set local role {ROLE}")
        await connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'")
        for query in QUERIES:
            takes_now = [now] if "$1" in query.sql else []
            show(query, await connection.fetch(query.sql, *takes_now))
    metrics.gathered(name="guilder_gathered_timestamp_seconds", rows={(): now.timestamp()})


async def gather_lateness(database: Database, timetable: Sequence[Job], *, now: datetime) -> None:
    """Ask every job's own finder for what it has yet to do: how long ago did the oldest of it fall due?"""
    async with database.transaction(actor=ACTOR, keep=False) as tx:
        found = await jobs.due(tx, timetable, tenant_id=None, now=now, limits=[1] * len(timetable))
    late = {due.job: max((now - due.due_at).total_seconds(), 0) for due in found}
    rows: dict[tuple[str, ...], float] = {(job.name,): late.get(job.name, 0) for job in timetable}
    metrics.gathered(name="guilder_job_due_seconds", rows=rows)


async def gather_runs(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Run]:
    """Show how far the jobs' runs have come, of live and test tenants; return them, added up by job."""
    async with connection.transaction(readonly=True):
        await connection.execute(f"set local role {ROLE}")
        await connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'")
        found = await runs.runs(Tx(connection, frozenset(), ACTOR))
        told = [run.tenant_id for run in found]
        sandboxes = await connection.fetch(_SANDBOXES, told)
    others = {row["tenant_id"] for row in sandboxes}
    added_up = runs.over_all([run for run in found if run.tenant_id not in others])
    _show_runs(added_up)
    return added_up


def _show_runs(added_up: Sequence[Run]) -> None:
    """Show them by job: whose they are is for the terminal and the API, never for a label."""
    figures = {"done": "done", "per_second": "rate_per_s", "left": "left", "left_seconds": "seconds_left"}
    for name, field in figures.items():
        known = {(run.job,): getattr(run, field) for run in added_up}
        rows: dict[tuple[str, ...], float] = {job: float(said) for job, said in known.items() if said is not None}
        metrics.gathered(name=f"guilder_run_{name}", rows=rows)


def show(query: Query, rows: Sequence[Any]) -> None:
    for column, name in enumerate(query.figures, start=query.labels):
        metrics.gathered(name=name, rows={tuple(row)[: query.labels]: float(row[column]) for row in rows})


def show_health(report: Report, *, now: datetime, seconds: float) -> None:
    """Show what the doctor found: a figure for each check that was looked at, 0 where all is well."""
    rows: dict[tuple[str, ...], float] = {(check,): float(report.counts.get(check, 0)) for check in report.examined}
    metrics.gathered(name="guilder_doctor_violations", rows=rows)
    metrics.gathered(name="guilder_doctor_timestamp_seconds", rows={(): now.timestamp()})
    metrics.gathered(name="guilder_doctor_seconds", rows={(): seconds})
