"""Watching: one process of those that keep time gathers, for all, what the page of metrics tells of the business.

Whoever holds the lock gathers every few seconds, and shows it on its own page; the others show none of it. A lock of a
session and not a lease: it goes with the connection, so a process that falls is followed within seconds.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from guilder.platform import logging, metrics
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.database import GONE, Database, DatabaseGone, connect_once
from guilder.platform.db.tx import Connection
from guilder.platform.db.wakes import first
from guilder.platform.jobs.runs import Looks, Run
from guilder.platform.jobs.timetable import Job
from guilder.wiring.doctor.report import CannotExamine
from guilder.wiring.doctor.run import examine
from guilder.wiring.watching.gathering import gather, gather_lateness, gather_runs, show_health

EVERY_S = 15.0
# Long enough after a start that what the restart left lying has been taken up.
DOCTOR_FIRST_S = 120.0
DOCTOR_MINUTES = 60
TELL_AGAIN_S = 60.0

_LOCK = "select pg_try_advisory_lock(hashtextextended('guilder watcher', 0))"
_log = logging.get(__name__)


@dataclass(slots=True)
class Watcher:
    """Gathers figures, and has the doctor look every so often."""

    database: Database
    settings: Settings
    jobs: Sequence[Job]
    clock: Clock
    every_s: float = EVERY_S
    doctor_first_s: float = DOCTOR_FIRST_S
    _told_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; whatever happens to the database, it goes on trying."""
        while not stop.is_set():
            try:
                await self._watch(stop)
            except (*GONE, OSError, DatabaseGone, asyncpg.PostgresError) as error:
                self._tell(error)
            finally:
                metrics.nothing_gathered()
            await first(stop, timeout_s=self.every_s)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Gather for as long as the lock is ours; nothing, where it is another's."""
        lock = await self.database.listen()
        try:
            if not await lock.fetchval(_LOCK):
                return
            reading = await connect_once(self._doctor_url, only_reads=True)
            try:
                await self._gather(lock, reading, stop)
            finally:
                await reading.close()
        finally:
            await lock.close()

    async def _gather(self, lock: Connection, reading: Connection, stop: asyncio.Event) -> None:
        looks = Looks(self.database, self.jobs, self.clock)
        doctor_at = self.clock.monotonic() + self.doctor_first_s
        while not stop.is_set():
            await lock.fetchval("select 1")  # gone with its server, it would be held by somebody else by now
            await gather(reading, now=self.clock.now())
            await gather_lateness(self.database, self.jobs, now=self.clock.now())
            await looks.look()
            _tell_runs(await gather_runs(reading))
            if self._doctor_s and self.clock.monotonic() >= doctor_at:
                await self._examine()
                doctor_at = self.clock.monotonic() + self._doctor_s
            await first(stop, timeout_s=self.every_s)

    async def _examine(self) -> None:
        now, began = self.clock.now(), self.clock.monotonic()
        try:
            report = await examine(self._doctor_url, now=now)
        except CannotExamine as error:
            _log.warning("doctor_could_not_look", reason=str(error))
            return
        show_health(report, now=now, seconds=self.clock.monotonic() - began)
        for check, count in report.counts.items():
            _log.error("invariant_violated", check=check, count=count)

    @property
    def _doctor_s(self) -> float:
        given = self.settings.doctor_every_minutes
        return 60.0 * (given if given is not None else DOCTOR_MINUTES if self.settings.is_production else 0)

    @property
    def _doctor_url(self) -> str:
        named = self.settings.database_doctor_url
        return named.get_secret_value() if named else self.database.direct_url

    def _tell(self, error: Exception) -> None:
        instant = self.clock.monotonic()
        if self._told_at is None or instant - self._told_at >= TELL_AGAIN_S:
            self._told_at = instant
            _log.warning("cannot_gather_figures", reason=f"{type(error).__name__}: {error}".partition("\n")[0])


def _tell_runs(found: Sequence[Run]) -> None:
    """Write a line for each job that has something left, for who reads logs and has no terminal to watch."""
    for run in found:
        if run.left:
            _log.info(
                "run_goes_on",
                job=run.job,
                done=run.done,
                per_second=round(run.rate_per_s, 1),
                left=run.left,
                is_least=run.is_least,
                seconds_left=run.seconds_left,
                failing=run.failing,
            )
