"""The scheduler of L1: actors are coroutines, time is virtual, and chance is one seed's.

An actor gives up control only where it awaits `pause` (or a lock); there it may be killed, and is started anew with
empty memory. The same seed makes the same trace, which `digest` proves.
"""

import hashlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import coroutine
from typing import Any
from uuid import UUID

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS_SHOWN = 200
RATES = (0.01, 0.05, 0.2)
CLASS_IS_ON = 0.7
# How long a step takes, by the run's class: some runs are fast, in some everything overlaps.
LATENCIES_S = ((0.001, 0.01), (0.01, 0.5), (0.1, 5.0))
FAULTS = (
    "crash",
    "stall",
    "timeout_before",
    "timeout_late",
    "timeout_after",
    "outage",
    "soft_decline",
    "hard_decline",
    "not_found_yet",
    "webhook_dropped",
    "webhook_duplicated",
    "webhook_delayed",
    "clock_jump",
    "bus_stop",
    "delivered_again",
)


class Violation(Exception):
    """An invariant is broken."""

    def __init__(self, invariant: str, says: str) -> None:
        self.invariant = invariant
        super().__init__(f"{invariant}: {says}")


@coroutine
def _yield(seconds: float) -> Generator[float, None, None]:
    yield seconds


@dataclass(slots=True)
class Actor:
    name: str
    make: Callable[["Actor"], Coroutine[Any, Any, None]]
    is_mortal: bool = True
    life: Coroutine[Any, Any, None] | None = None
    wakes_at: float = 0.0
    where: str = ""  # what it was doing, for the counters: "charged" lies between the charge and its record


@dataclass
class Sim:
    """One run: a seed's chance, its faults, its clock and its actors."""

    seed: int
    rng: random.Random = field(init=False)
    rates: dict[str, float] = field(init=False)
    seen: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    step: int = 0
    is_calm: bool = False
    actors: list[Actor] = field(default_factory=list)
    trace: "deque[str]" = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN))
    _later: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _hash: Any = field(default_factory=hashlib.sha256)
    _ids: int = 0
    bus_back_at: float = 0.0
    on_kill: Callable[[str], None] = lambda where: None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.rates = {name: self.rng.choice(RATES) if self.rng.random() < CLASS_IS_ON else 0.0 for name in FAULTS}
        # A kill at one yield in five would leave nobody alive for long enough to do anything.
        self.rates["crash"] /= 20
        self.rates["stall"] /= 50
        # Few looks are made, and those just when the provider is in trouble.
        self.rates["not_found_yet"] *= 3
        self.latency = self.rng.choice(LATENCIES_S)

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    @property
    def digest(self) -> str:
        return str(self._hash.hexdigest()[:16])

    def id(self) -> UUID:
        self._ids += 1
        return UUID(int=self._ids)

    def note(self, text: str) -> None:
        line = f"{self.step} {self.seconds:.3f} {text}"
        self._hash.update(line.encode())
        self.trace.append(line)

    def strikes(self, fault: str) -> bool:
        """Say whether this fault happens here and now."""
        if self.is_calm or self.rng.random() >= self.rates[fault]:
            return False
        self.seen[fault] += 1
        return True

    async def pause(self, seconds: float | None = None) -> None:
        """Give way: others go on, and time passes."""
        await _yield(self.rng.uniform(*self.latency) if seconds is None else seconds)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something happen later, whoever dies meanwhile: the provider and the wire are no part of us."""
        self._ids += 1
        heapq.heappush(self._later, (self.seconds + seconds, self._ids, act))

    def start(self, name: str, make: Callable[[Actor], Coroutine[Any, Any, None]], *, is_mortal: bool = True) -> None:
        self.actors.append(Actor(name, make, is_mortal))

    def run(self, steps: int, check: Callable[[], None], *, check_every: int = 50) -> None:
        for _ in range(steps):
            self._one()
            if self.step % check_every == 0:
                check()

    def close(self) -> None:
        for actor in self.actors:
            if actor.life is not None:
                actor.life.close()

    def _one(self) -> None:
        self.step += 1
        self._do_what_is_due()
        ready = [actor for actor in self.actors if actor.wakes_at <= self.seconds]
        if not ready:
            self.seconds = min(actor.wakes_at for actor in self.actors)
            self._do_what_is_due()
            ready = [actor for actor in self.actors if actor.wakes_at <= self.seconds]
        actor = ready[0] if len(ready) == 1 else self.rng.choice(ready)
        if actor.life is None:
            actor.life = actor.make(actor)
        elif actor.is_mortal and self.strikes("crash"):
            self._kill(actor)
            return
        if actor.is_mortal and self.strikes("stall"):
            # It stands still, holding whatever it holds, and goes on as if nothing had been.
            actor.wakes_at = self.seconds + self.rng.choice((30.0, 90.0, 600.0))
            self.note(f"{actor.name} stalls")
            return
        try:
            actor.wakes_at = self.seconds + actor.life.send(None)
        except StopIteration:
            actor.life, actor.wakes_at = None, self.seconds + 1.0

    def _kill(self, actor: Actor) -> None:
        assert actor.life is not None
        if actor.where:
            self.on_kill(actor.where)
        self.note(f"{actor.name} is killed {actor.where}")
        actor.life.close()
        actor.life, actor.where = None, ""
        actor.wakes_at = self.seconds + self.rng.uniform(0.1, 20.0)

    def _do_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= self.seconds:
            heapq.heappop(self._later)[2]()
