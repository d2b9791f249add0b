"""The scheduler of L2: every statement that the product sends waits at a gate, and one at a time is let through, by seed.

The gate is in the connection (`Gated`), so the code above it is the product's, as it is. An actor is ready (at the
gate), running, or blocked: PostgreSQL itself says that it waits for a lock. Killing one closes its socket and drops its
task. With the same seed the same statements come in the same order.
"""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")

# Longer than deadlock_timeout (5 ms here), so that a deadlock's victim is always the one that came last.
BLOCKED_AFTER_S = 0.012
SETTLES_S = 0.04
SHOWN = 200
_NOISE = ("select set_config",)

_current: ContextVar["Actor | None"] = ContextVar("actor", default=None)


class Killed(ConnectionError):
    """This actor is dead: nothing of it reaches the database any more."""


@dataclass(eq=False)
class Actor:
    name: str
    live: Callable[["Actor", random.Random], Coroutine[Any, Any, None]]
    schedule: "Schedule"
    state: str = "ready"
    generation: int = 0
    is_killed: bool = False
    at: str = "start"
    statement: str = ""
    backend: int = 0
    connections: set[Any] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None
    turn: asyncio.Event = field(default_factory=asyncio.Event)

    async def park(self, at: str) -> None:
        """Wait at the gate until it is this one's turn."""
        if self.is_killed:
            raise Killed
        self.at, self.state = at, "ready"
        self.turn.clear()
        self.schedule.moved.set()
        await self.turn.wait()
        if self.is_killed:
            raise Killed


class Gated(asyncpg.Connection):  # type: ignore[type-arg]
    """A connection whose statements wait for their turn."""

    is_resetting = False

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        return await _through(self, query, lambda: super(Gated, self).execute(query, *args, timeout=timeout))

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        await _through(self, command, lambda: super(Gated, self).executemany(command, args, timeout=timeout))

    async def fetch(self, query: str, *args: Any, **more: Any) -> Any:
        return await _through(self, query, lambda: super(Gated, self).fetch(query, *args, **more))

    async def fetchrow(self, query: str, *args: Any, **more: Any) -> Any:
        return await _through(self, query, lambda: super(Gated, self).fetchrow(query, *args, **more))

    async def fetchval(self, query: str, *args: Any, **more: Any) -> Any:
        return await _through(self, query, lambda: super(Gated, self).fetchval(query, *args, **more))

    async def reset(self, *, timeout: float | None = None) -> None:
        self.is_resetting = True
        try:
            await super().reset(timeout=timeout)
        finally:
            self.is_resetting = False


async def _through(connection: Gated, query: str, run: Callable[[], Awaitable[T]]) -> T:
    actor = _current.get()
    if actor is None or connection.is_resetting:
        return await run()
    await actor.park(query)
    actor.connections.add(connection)
    actor.schedule.statements += 1
    actor.backend, actor.statement = connection.get_server_pid(), query
    try:
        return await run()
    finally:
        actor.statement = ""
        if actor.state == "blocked":
            # Somebody let go of what it waited for: it goes on when it is its turn.
            await actor.park("…")


@dataclass
class Schedule:
    """Lets one statement through at a time. `admin` looks at who waits for whom."""

    rng: random.Random
    admin: "asyncpg.Connection[Any]"
    actors: list[Actor] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0
    statements: int = 0
    blocks: int = 0
    kills: int = 0
    trace: "deque[str]" = field(default_factory=lambda: deque(maxlen=SHOWN))
    errors: list[str] = field(default_factory=list)
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        return str(self._hash.hexdigest()[:16])

    def note(self, text: str) -> None:
        line = f"{self.steps} {text}"
        self._hash.update(line.encode())
        self.trace.append(line)

    def add(self, name: str, live: Callable[[Actor, random.Random], Coroutine[Any, Any, None]]) -> None:
        self.actors.append(Actor(name, live, self))

    async def begin(self, seed: int) -> None:
        for actor in self.actors:
            await self._start(actor, seed)

    async def step(self) -> None:
        """Let one ready actor go on to its next statement, to its end, or until it waits for another's lock."""
        self.steps += 1
        ready = [actor for actor in self.actors if actor.state == "ready"]
        while not ready:
            if all(actor.state == "over" for actor in self.actors):
                return
            await asyncio.sleep(0.002)
            await self._see_who_goes_on()
            ready = [actor for actor in self.actors if actor.state == "ready"]
        actor = self.rng.choice(ready)
        self.note(f"{actor.name}: {_said(actor.at)}")
        ends = actor.at.startswith(("COMMIT", "ROLLBACK"))
        await self._let(actor)
        if ends or any(each.state == "blocked" for each in self.actors):
            await self._see_who_goes_on()

    async def kill_one(self, seed: int) -> None:
        """Kill an actor that stands at the gate, with all that it holds; it begins anew, with empty memory."""
        ready = [actor for actor in self.actors if actor.state == "ready"]
        if not ready:
            return
        actor = self.rng.choice(ready)
        self.kills += 1
        self.note(f"{actor.name} is killed before {_said(actor.at)}")
        await self._bury(actor)
        await self._see_who_goes_on()
        actor.generation += 1
        await self._start(actor, seed)

    async def end(self) -> None:
        for actor in self.actors:
            await self._bury(actor)

    async def _start(self, actor: Actor, seed: int) -> None:
        actor.is_killed, actor.state = False, "running"
        rng = random.Random(f"{seed}:{actor.name}:{actor.generation}")

        async def life() -> None:
            _current.set(actor)
            try:
                await actor.live(actor, rng)
            except Exception as error:
                if not actor.is_killed:
                    self.errors.append(f"{actor.name}: {error!r}")
            finally:
                actor.state = "over"
                self.moved.set()

        actor.task = asyncio.create_task(life(), name=actor.name)
        await self._until_quiet(actor)

    async def _let(self, actor: Actor) -> None:
        actor.state = "running"
        self.moved.clear()
        actor.turn.set()
        await self._until_quiet(actor)

    async def _until_quiet(self, actor: Actor) -> None:
        while actor.state == "running":
            self.moved.clear()
            try:
                async with asyncio.timeout(BLOCKED_AFTER_S):
                    await self.moved.wait()
            except TimeoutError:
                if await self._stands(actor):
                    actor.state = "blocked"
                    self.blocks += 1
                    self.note(f"{actor.name} is blocked")

    async def _stands(self, actor: Actor) -> bool:
        """Say whether it waits for a lock, and not only until PostgreSQL has found a deadlock."""
        if not actor.statement or not await self._waits(actor):
            return False
        await asyncio.sleep(SETTLES_S)
        return bool(actor.statement) and actor.state == "running" and await self._waits(actor)

    async def _see_who_goes_on(self) -> None:
        for actor in self.actors:
            while actor.state == "blocked" and not await self._waits(actor):
                await asyncio.sleep(0.001)

    async def _waits(self, actor: Actor) -> bool:
        return bool(await self.admin.fetchval("select cardinality(pg_blocking_pids($1)) > 0", actor.backend))

    async def _bury(self, actor: Actor) -> None:
        actor.is_killed = True
        backends = [each.get_server_pid() for each in actor.connections if not each.is_closed()]
        for connection in actor.connections:
            connection.terminate()
        if actor.task is not None:
            actor.turn.set()
            actor.task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await actor.task
        # Told to end, and not only left: a server that waits for a lock does not notice that nobody listens any more.
        while backends and await self.admin.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid = any ($1::int[])", backends
        ):
            await asyncio.sleep(0.002)
        actor.connections.clear()
        actor.statement = ""


def here() -> Actor | None:
    return _current.get()


def _said(sql: str) -> str:
    return " ".join(sql.split())[:70]
