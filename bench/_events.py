"""Discrete events: a clock that jumps from one event to the next, resources that are waited for, and what was seen.

A process is a generator. It yields what it waits for: `hold(seconds)`, `resource.take()` (and later `resource.give()`),
`queue.get(n)`. Whoever waits first is served first, and events of one instant happen in the order in which they were
made, so a run is the same every time. Time is in seconds; nothing here looks at the clock or at chance.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Process = Generator["Wait", Any, None]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a process waits for: it is called with what wakes the process."""

    begin: Callable[[Callable[[Any], None]], None]


class Simulation:
    """`now` is in seconds since the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, instant: float, do: Callable[[], None]) -> None:
        assert instant >= self.now, (instant, self.now)
        heapq.heappush(self._events, (instant, next(self._numbers), do))

    def start(self, process: Process) -> None:
        """Let a process begin now."""
        self.at(self.now, lambda: self._go_on(process, None))

    def hold(self, seconds: float) -> Wait:
        """Wait so long."""
        return Wait(lambda wake: self.at(self.now + seconds, lambda: wake(None)))

    def run(self, until: float) -> None:
        """Let happen what happens before `until`, and stop the clock there."""
        while self._events and self._events[0][0] <= until:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self.now = until

    def _go_on(self, process: Process, said: Any) -> None:
        try:
            wait = process.send(said)
        except StopIteration:
            return
        wait.begin(lambda answer: self._go_on(process, answer))


class Resource:
    """Something of which there are `capacity`: processors, connections, calls at once."""

    def __init__(self, simulation: Simulation, capacity: int) -> None:
        assert capacity > 0, capacity
        self._simulation = simulation
        self.capacity = capacity
        self.taken = 0
        self._waiting: deque[Callable[[Any], None]] = deque()
        self._busy_s = 0.0
        self._changed_at = 0.0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> Wait:
        """Wait for one; whoever has it gives it back."""

        def begin(wake: Callable[[Any], None]) -> None:
            if self.taken < self.capacity:
                self._move(1)
                wake(None)
            else:
                self._waiting.append(wake)

        return Wait(begin)

    def give(self) -> None:
        """Give one back: to whoever has waited longest, or to nobody."""
        assert self.taken > 0
        if self._waiting:
            # By an event of its own, so that who gives goes on first and no stack grows.
            wake = self._waiting.popleft()
            self._simulation.at(self._simulation.now, lambda: wake(None))
        else:
            self._move(-1)

    def busy_s(self) -> float:
        """Return for how long how many were taken, in all, until now."""
        self._move(0)
        return self._busy_s

    def _move(self, by: int) -> None:
        now = self._simulation.now
        self._busy_s += self.taken * (now - self._changed_at)
        self._changed_at = now
        self.taken += by


class Queue:
    """Things in line, taken a batch at a time."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._things: deque[Any] = deque()
        self._waiting: deque[tuple[int, Callable[[Any], None]]] = deque()

    def __len__(self) -> int:
        return len(self._things)

    def put(self, *things: Any) -> None:
        self._things.extend(things)
        if self._things and self._waiting:
            most, wake = self._waiting.popleft()
            self._simulation.at(self._simulation.now, lambda: self._hand_over(most, wake))

    def get(self, most: int) -> Wait:
        """Wait until there is something, and take what is there, `most` at most."""
        return Wait(lambda wake: self._hand_over(most, wake))

    def _hand_over(self, most: int, wake: Callable[[Any], None]) -> None:
        if not self._things:  # somebody was quicker
            self._waiting.appendleft((most, wake))
            return
        batch = [self._things.popleft() for _ in range(min(most, len(self._things)))]
        if self._things and self._waiting:
            other, wake_other = self._waiting.popleft()
            self._simulation.at(self._simulation.now, lambda: self._hand_over(other, wake_other))
        wake(batch)


@dataclass(slots=True)
class Tally:
    """How long things took; percentiles of all of them."""

    seconds: list[float] = field(default_factory=list)

    def saw(self, took_s: float) -> None:
        self.seconds.append(took_s)

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds) if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Return the smallest that `percent` of them do not exceed."""
        if not self.seconds:
            return 0.0
        self.seconds.sort()
        place = max(0, -(-int(percent * len(self.seconds)) // 100) - 1)
        return self.seconds[place]
