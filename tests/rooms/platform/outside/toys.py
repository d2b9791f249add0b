"""A room that charges in two steps, and a provider that keeps a journal and does as it is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents as outside
from guilder.platform.outside.breaker import BreakerLimits
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, NewIntent, Verdict
from guilder.platform.outside.runner import Runner
from tests.rooms.platform.ground import NOW, Clocks, a_tenant, some_ids

SCHEMA = """
select platform.open_room('toy');
create table toy.charges (
    tenant_id uuid not null, id uuid not null, status text not null default 'created', ref text, recorded int default 0,
    recorded_at timestamptz, primary key (tenant_id, id)
);
select platform.protect('toy.charges');
create table toy.journal (key text not null, at timestamptz default clock_timestamp());
grant select, insert on toy.journal to guilder_app;
"""


class Provider:
    """Knows each key once, as real ones do; `answers` says what it does to a subject's calls, in turn."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.charged: set[str] = set()
        self.answers: dict[UUID, list[Exception | str]] = {}
        self.gate: asyncio.Event | None = None
        self.in_flight = 0
        self.in_flight_max = 0

    async def take(self, key: str, subject_id: UUID) -> str:
        self.journal.append(key)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await asyncio.sleep(0)  # as any call does
            if self.gate is not None:
                await self.gate.wait()
            answer = next(iter(self.answers.get(subject_id, [])), "ok")
            if self.answers.get(subject_id):
                self.answers[subject_id].pop(0)
            if isinstance(answer, Exception):
                raise answer
            self.charged.add(key)
            return answer
        finally:
            self.in_flight -= 1


class Stopwatch(WallClock):
    """The wall's dates; but seconds pass when a test says so, however long it takes."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Charging:
    """The toy room's performer: prepare, store the reference, confirm; or in one step where `steps` has one."""

    database: Database
    provider: Provider
    kind: str = "toy.charge"
    limits: Limits = field(default_factory=lambda: Limits(timeout_s=2, attempts_max=3, backoff_first_s=60))
    steps: tuple[str, ...] = ("prepare", "confirm")
    batches: list[int] = field(default_factory=list)
    seen: list[tuple[frozenset[TenantId], datetime]] = field(default_factory=list)
    poisoned: set[UUID] = field(default_factory=set)
    unrecordable: set[UUID] = field(default_factory=set)

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[str | None]:
        if self.poisoned & {intent.subject_id for intent in intents}:
            raise RuntimeError("cannot be loaded")
        self.seen.append((tx.tenants, now))
        rows = await tx.fetch(
            "select id, ref, status from toy.charges where id = any ($1)", [intent.subject_id for intent in intents]
        )
        found = {row["id"]: row for row in rows}
        return [self._request(intent, found.get(intent.subject_id)) for intent in intents]

    def _request(self, intent: Intent, row: Any) -> str | None:
        if row is None or row["status"] == "paid":
            return None
        return row["ref"] or "" if intent.step == "confirm" else "new"

    async def call(self, intent: Intent, request: str, *, now: datetime) -> str:
        if intent.step == "confirm":
            assert request == f"ref-{intent.subject_id}", "confirm must find what prepare had stored"
            async with self.database.transaction({intent.tenant_id}, actor="test") as tx:
                committed = await tx.fetchval("select ref from toy.charges where id = $1", intent.subject_id)
            assert committed == request, "what prepare brought must be committed before confirm goes out"
        return await self.provider.take(intent.key, intent.subject_id)

    async def record(self, tx: Tx, done: Sequence[Done[str, str]], *, now: datetime) -> Sequence[Verdict]:
        if self.unrecordable & {each.intent.subject_id for each in done}:
            raise RuntimeError("cannot be recorded")
        self.batches.append(len(done))
        verdicts = [await self._one(tx, each) for each in done]
        assert len(verdicts) == len(done)
        return verdicts

    async def _one(self, tx: Tx, done: Done[str, str]) -> Verdict:
        subject = done.intent.subject_id
        if done.failure is not None:
            status = "given up" if done.is_last else "unknown"
            await tx.execute("update toy.charges set status = $2 where id = $1", subject, status)
            return outside.usual(done)
        if done.outcome == "pending":
            return Verdict.again(after_s=0)
        if done.intent.step == "prepare" and "confirm" in self.steps:
            await tx.execute("update toy.charges set ref = $2 where id = $1", subject, f"ref-{subject}")
            return Verdict.next("confirm")
        await tx.execute(
            "update toy.charges set status = 'paid', recorded = recorded + 1, recorded_at = clock_timestamp() "
            "where id = $1",
            subject,
        )
        return Verdict.done()


@dataclass
class World:
    database: Database
    admin: Any
    clocks: Clocks
    provider: Provider
    tenant: TenantId = field(default_factory=a_tenant)

    def charging(self, **settings: Any) -> Charging:
        return Charging(self.database, self.provider, **settings)

    def runner(self, *performers: Any, **settings: Any) -> Runner:
        settings.setdefault("breaker_limits", BreakerLimits(calls_min=1_000))
        settings.setdefault("clock", WallClock())
        return Runner(self.database, performers, self.clocks, **settings)

    async def charge(
        self, count: int = 1, *, destination: str = "gateway:toy", step: str = "prepare", tenant: TenantId | None = None
    ) -> list[UUID]:
        tenant_id = tenant or self.tenant
        subjects = some_ids(count)
        async with self.database.transaction({tenant_id}, actor="test") as tx:
            await tx.execute_many(
                "insert into toy.charges (tenant_id, id) values ($1, $2)", [(tenant_id, each) for each in subjects]
            )
            await outside.intend(
                tx, intents=[self.intent(each, destination, step, tenant_id) for each in subjects], now=NOW
            )
        return subjects

    def intent(
        self, subject: UUID, destination: str = "gateway:toy", step: str = "prepare", tenant: TenantId | None = None
    ) -> NewIntent:
        return NewIntent(
            tenant_id=tenant or self.tenant, kind="toy.charge", destination=destination, subject_id=subject, step=step
        )

    async def statuses(self) -> list[str]:
        return [row[0] for row in await self.admin.fetch("select status from toy.charges order by id")]

    async def rows(self) -> list[Any]:
        return await self.admin.fetch("select * from platform.intents order by id")

    async def row(self) -> Any:
        (row,) = await self.rows()
        return row

    async def make_due(self) -> None:
        """Let waits and leases run out, as time would."""
        await self.admin.execute("update platform.intents set due_at = clock_timestamp() where state = 'waiting'")


def no_answer(retry_after_s: float | None = None) -> CallFailed:
    return CallFailed("no answer", retry_after_s=retry_after_s)


class WrittenJournal:
    """A provider that another process can be seen to have charged; it answers too late for whoever asked."""

    def __init__(self, database: Database, *, answers: bool) -> None:
        self._database = database
        self._answers = answers

    async def take(self, key: str, subject_id: UUID) -> str:
        await self._database.pool.execute("insert into toy.journal (key) values ($1)", key)
        if not self._answers:
            await asyncio.sleep(600)
        return "ok"


async def run_until_killed(url: str) -> None:
    """Run by a process of its own: a runner whose provider charges and never answers."""
    database = await Database.connect(url)
    performer = Charging(database, WrittenJournal(database, answers=False), limits=Limits(timeout_s=600))  # type: ignore[arg-type]
    await Runner(database, [performer], Clocks(), clock=WallClock()).run(asyncio.Event())
