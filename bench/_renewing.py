"""The model that `capacity.py` runs: renewals on their way through the house, reckoned with what each step was measured to cost.

A renewal falls due, is billed in a batch, passes the log's groups (16 partitions each, one batch of a partition at a time),
is charged by two calls to its provider, and ends where its customer's access is extended. Every batch takes a connection,
then Python's processor in a worker, then a core of PostgreSQL's, then a rest in which nobody works (the disk, mostly).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from _events import Process, Queue, Resource, Simulation, Tally

PARTITIONS = 16
BATCH_MAX = 500
BEFORE_CALLS = ("payments", "intents")
AFTER_CALLS = ("record", "settle", "orders", "access")
ASIDE = ("notify", "audit", "recognize")  # nobody's access waits for them, but they take their share
CALLS = "calls"
CALLS_EACH = 2  # prepare and confirm
TRY_AGAIN_S = 2.0
TRIES_MAX = 5
GATHER_S = 0.008
KINDS = ("python_ms", "postgresql_ms", "rest_ms")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a batch of n: `fixed` + n * `each`, in seconds, by kind."""

    fixed: Mapping[str, float]
    each: Mapping[str, float]

    def of(self, kind: str, n: int) -> float:
        return self.fixed[kind] + n * self.each[kind]


@dataclass(frozen=True, slots=True)
class Site:
    """What there is. `calls_per_s` is what the providers' accounts allow together; `lot`: how many renewals go as one."""

    workers: int
    cores: int
    connections: int = 40
    window: int = 32
    calls_per_s: float = 100.0
    call_s: float = 0.35
    failing: float = 0.005
    lot: int = 1
    one_by_one: bool = False
    """Nothing beside anything else, as the bench does it."""


@dataclass
class Outcome:
    """What came of it. Backlog: (seconds, renewals due that have no access yet), once a minute."""

    took: Tally = field(default_factory=Tally)
    backlog: list[tuple[float, int]] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)
    """Of each resource, which share was taken in its busiest ten minutes."""
    done: int = 0
    due: int = 0


def fitted(sizes: Mapping[str, Any], *, small: str, large: str) -> dict[str, Cost]:
    """Draw a line through the costs measured at two sizes, a step each."""
    steps = {}
    for name, few in sizes[small]["steps"].items():
        many = sizes[large]["steps"][name]
        fixed, each = {}, {}
        for kind in KINDS:
            n, m = int(small), int(large)
            a, b = batches(name, n), batches(name, m)
            # few = a * fixed + n * each, many = b * fixed + m * each; neither is below nothing.
            each_ms = max(0.0, (a * many[kind] - b * few[kind]) / (a * m - b * n))
            fixed[kind] = max(0.0, few[kind] - n * each_ms) / a / 1_000
            each[kind] = each_ms / 1_000
        steps[name] = Cost(fixed, each)
    return steps


def batches(step: str, size: int) -> int:
    """Return how many batches a step needs for so many that are there at once."""
    if step in {"bill", "recognize"}:
        return ceil(size / BATCH_MAX)
    return 1 if step == CALLS else PARTITIONS * ceil(size / PARTITIONS / BATCH_MAX)


class Renewing:
    """One run. `arrivals` are (seconds, how many fall due then), in order."""

    def __init__(self, site: Site, costs: Mapping[str, Cost], arrivals: Sequence[tuple[float, int]], seed: int) -> None:
        self._site, self._costs, self._arrivals = site, costs, arrivals
        self._chance = random.Random(seed)
        self.simulation = simulation = Simulation()
        self._python = Resource(simulation, site.workers)
        self._postgresql = Resource(simulation, site.cores)
        self._connections = Resource(simulation, site.connections)
        self._window = Resource(simulation, max(1, site.window * site.workers // site.lot))
        self._turn = Resource(simulation, 1)
        self._next_call_at = 0.0
        self._due, self._came_back = Queue(simulation), Queue(simulation)
        self._queues: dict[str, list[Queue]] = {}
        self.outcome = Outcome()
        self.worked = dict.fromkeys(KINDS, 0.0)
        """Seconds of each kind, over all batches."""

    def run(self, *, until_s: float) -> Outcome:
        # As many schedulers as workers: due rows are taken with SKIP LOCKED.
        schedulers = 1 if self._site.one_by_one else self._site.workers
        self._stage("bill", [self._due] * schedulers, self._partitioned(BEFORE_CALLS[0]))
        for name, following in zip(BEFORE_CALLS, (*BEFORE_CALLS[1:], ""), strict=True):
            self._stage(name, self._lines(name), self._partitioned(following) if following else self._call_all)
        for name, following in zip(AFTER_CALLS, (*AFTER_CALLS[1:], ""), strict=True):
            self._stage(name, self._lines(name), self._partitioned(following) if following else self._arrived)
        for _ in range(self._site.workers):
            self.simulation.start(self._record_calls())
        for name in ASIDE:
            self._stage(name, self._lines(name), lambda _: None)
        self.simulation.start(self._fall_due())
        self.simulation.start(self._watch())
        self.simulation.run(until_s)
        return self.outcome

    def _lines(self, name: str) -> list[Queue]:
        count = 1 if name == "recognize" else PARTITIONS
        return self._queues.setdefault(name, [Queue(self.simulation) for _ in range(count)])

    def _partitioned(self, name: str) -> Callable[[list[tuple[float, int]]], None]:
        lines = self._lines(name)

        def put(things: list[tuple[float, int]]) -> None:
            for thing in things:
                lines[thing[1] % len(lines)].put(thing)

        return put

    def _stage(self, name: str, lines: Sequence[Queue], then: Callable[[list[tuple[float, int]]], None]) -> None:
        for line in lines:
            self.simulation.start(self._serve(name, line, then))

    def _serve(self, name: str, line: Queue, then: Callable[[list[tuple[float, int]]], None]) -> Process:
        while True:
            batch = yield line.get(max(1, BATCH_MAX // self._site.lot))
            yield from self._work(name, len(batch))
            then(batch)

    def _work(self, name: str, lots: int) -> Process:
        cost, n = self._costs[name], lots * self._site.lot
        if self._site.one_by_one:
            yield self._turn.take()
        yield self._connections.take()
        for kind in KINDS:
            self.worked[kind] += cost.of(kind, n)
        for kind, resource in (("python_ms", self._python), ("postgresql_ms", self._postgresql)):
            yield resource.take()
            yield self.simulation.hold(cost.of(kind, n))
            resource.give()
        yield self.simulation.hold(cost.of("rest_ms", n))
        self._connections.give()
        if self._site.one_by_one:
            self._turn.give()

    def _call_all(self, batch: list[tuple[float, int]]) -> None:
        for thing in batch:
            self.simulation.start(self._call(thing))

    def _call(self, thing: tuple[float, int]) -> Process:
        """Charge one: two calls, each within the window and the provider's pace, again where there was no answer."""
        site = self._site
        yield self._window.take()
        for _ in range(CALLS_EACH):
            for attempt in range(1, TRIES_MAX + 1):
                # The provider's pace: one call after the other, a lot's as one.
                self._next_call_at = max(self._next_call_at, self.simulation.now) + site.lot / site.calls_per_s
                yield self.simulation.hold(self._next_call_at - self.simulation.now)
                yield self.simulation.hold(self._chance.gammavariate(4, site.call_s / 4) if site.call_s else 0.0)
                if attempt == TRIES_MAX or self._chance.random() >= site.failing:
                    break
                yield self.simulation.hold(TRY_AGAIN_S * 2 ** (attempt - 1))
        self._window.give()
        self._came_back.put(thing)

    def _record_calls(self) -> Process:
        """Answers that come back close together are recorded in one transaction, as the house does it."""
        while True:
            batch = yield self._came_back.get(1)
            yield self.simulation.hold(GATHER_S)
            if len(self._came_back):
                batch += yield self._came_back.get(max(1, BATCH_MAX // self._site.lot))
            yield from self._work(CALLS, len(batch))
            self._partitioned(AFTER_CALLS[0])(batch)

    def _arrived(self, batch: list[tuple[float, int]]) -> None:
        now = self.simulation.now
        for due_at, number in batch:
            self.outcome.took.saw(now - due_at)
            for name in ASIDE:
                self._partitioned(name)([(due_at, number)])
        self.outcome.done += len(batch) * self._site.lot

    def _fall_due(self) -> Process:
        number = 0
        for at_s, count in self._arrivals:
            yield self.simulation.hold(at_s - self.simulation.now)
            lots = round(count / self._site.lot)
            self._due.put(*((at_s, number + each) for each in range(lots)))
            number += lots
            self.outcome.due += lots * self._site.lot

    def _watch(self) -> Process:
        """Note the backlog each minute, and how busy everything was in its busiest ten minutes."""
        resources = {"python": self._python, "postgresql": self._postgresql, "window": self._window}
        seen: dict[str, list[float]] = {name: [] for name in resources}
        while True:
            self.outcome.backlog.append((self.simulation.now, self.outcome.due - self.outcome.done))
            for name, resource in resources.items():
                seen[name] = [*seen[name][-10:], resource.busy_s()]
                used = (seen[name][-1] - seen[name][0]) / 600.0 / resource.capacity
                self.outcome.used[name] = max(self.outcome.used.get(name, 0.0), used)
            yield self.simulation.hold(60.0)
