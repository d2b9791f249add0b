"""Where the time of a run goes: by step, with the statements of each and what they took."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus.reactions import Handler, Reaction
from guilder.platform.db.database import Database, open_pool
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Vault

POSITIONS = "positions given (the log's sequencer)"
SLOWEST_MAX = 12
SQL_SHOWN = 160
_SEQUENCER = "sequencer"
_step: ContextVar[str] = ContextVar("step", default="")


@dataclass(slots=True)
class Cell:
    """What one step of one run cost: seconds on the wall, of them waiting for PostgreSQL; how many statements."""

    seconds: float = 0.0
    sql_seconds: float = 0.0
    statements: int = 0


@dataclass(slots=True)
class Meter:
    cells: dict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    handlers: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    queries: dict[tuple[str, str], Cell] = field(default_factory=lambda: defaultdict(Cell))

    def reset(self) -> None:
        self.cells, self.handlers, self.queries = defaultdict(Cell), defaultdict(float), defaultdict(Cell)

    def slowest(self) -> list[dict[str, Any]]:
        """Return the statements that took longest together, each with the step that sent it."""
        of = sorted(self.queries.items(), key=lambda each: -each[1].sql_seconds)[:SLOWEST_MAX]
        return [
            {"step": step, "sql": sql, "times": cell.statements, "seconds": round(cell.sql_seconds, 4)}
            for (step, sql), cell in of
        ]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step; one inside another is not counted to the outer one."""
        outer, token = _step.get(), _step.set(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.cells[name].seconds += took
            if outer:
                self.cells[outer].seconds -= took
            _step.reset(token)

    def saw(self, record: Any) -> None:
        """Note a statement: the driver calls this in the context in which it was sent."""
        step = _step.get()
        for cell in (self.cells[step], self.queries[step, _shown(record.query)]):
            cell.statements += 1
            cell.sql_seconds += record.elapsed

    def timed(self, reaction: Reaction) -> Reaction:
        """Return the reaction with its handler's time noted: without the log's own work and the commit."""
        name = f"{reaction.group}: {getattr(reaction.event, 'name', 'everything')}"
        inner: Handler = reaction.handler

        async def handler(tx: Tx, messages: Any, *, now: Any) -> None:
            began = time.perf_counter()
            await inner(tx, messages, now=now)
            self.handlers[name] += time.perf_counter() - began

        return replace(reaction, handler=handler)


@lru_cache(maxsize=2_000)
def _shown(query: str) -> str:
    return " ".join(query.split())[:SQL_SHOWN]


class MeasuredDatabase(Database):
    """The product's own, on a pool whose every statement is noted; the sequencer's work is a step of its own."""

    meter: Meter

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[TenantId] = (), *, actor: str, **about: Any) -> AsyncIterator[Tx]:
        if actor != _SEQUENCER:
            async with super().transaction(tenants, actor=actor, **about) as tx:
                yield tx
            return
        with self.meter.step(POSITIONS):
            async with super().transaction(tenants, actor=actor, **about) as tx:
                yield tx


async def connect(url: str, meter: Meter, vault: Vault) -> MeasuredDatabase:
    pool = await open_pool(url, size_max=20, name="guilder", watch=meter.saw)
    database = MeasuredDatabase(pool, url=url, direct_url=url, vault=vault)
    database.meter = meter
    return database
