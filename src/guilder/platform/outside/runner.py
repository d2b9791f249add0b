"""The runner: finds where something is to be called, and keeps a lane for each destination going.

Any number of runners on any number of nodes: leases and fences keep them apart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from guilder.platform import logging, metrics
from guilder.platform.clock import Clock
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database
from guilder.platform.db.wakes import first, heed
from guilder.platform.outside.breaker import Breaker, BreakerLimits, State
from guilder.platform.outside.bulkhead import Lane, LaneState, Width
from guilder.platform.outside.intents import CHANNEL
from guilder.platform.outside.phases import LEASE_MARGIN_S, AnyPerformer, Phases

WINDOW = 16
# Over all destinations of this process: what it has sockets for, and how much may be held for its turn.
CALLS_MAX = 512
HELD_MAX = 2_048
LANES_MAX = 2_000
POLL_S = 1.0
PAUSE_S = 1.0
GRACE_S = 20.0

_OPENNESS = (State.CLOSED, State.HALF_OPEN, State.OPEN)
_log = logging.get(__name__)


class Runner:
    """Performs intents. `windows` gives a destination, or its family ("webhook"), another number of calls at once;
    `ahead` says how many windows' worth a family's destinations may hold while their calls are quick; `ceilings` says
    how many a whole family may have, so that many that hang together leave room for the others."""

    def __init__(
        self,
        database: Database,
        performers: Sequence[AnyPerformer],
        clocks: TenantClocks,
        *,
        clock: Clock,
        windows: Mapping[str, int] | None = None,
        ahead: Mapping[str, int] | None = None,
        ceilings: Mapping[str, int] | None = None,
        breaker_limits: BreakerLimits | None = None,
        lease_margin_s: float = LEASE_MARGIN_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._database = database
        self._phases = Phases(database, performers, clocks, lease_margin_s=lease_margin_s)
        self._clock = clock
        self._windows = dict(windows or {})
        self._ahead = dict(ahead or {})
        self._calls = asyncio.Semaphore(CALLS_MAX)
        self._ceilings = dict(ceilings or {})
        self._breaker_limits = breaker_limits or BreakerLimits()
        self._poll_s = poll_s
        self._lanes: dict[str, Lane] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}

    @property
    def lanes(self) -> list[LaneState]:
        """Show every destination's window and breaker, as this process sees them."""
        return [lane.state for lane in self._lanes.values()]

    async def step(self, destination: str) -> int:
        """Take what is due at one destination, a window's worth, to its end; return how many. An open breaker: 0."""
        lane = self._lane(destination)
        count = await lane.fill()
        await lane.settle()
        return count

    async def drain(self) -> int:
        """Do everything that can be done now, everywhere; what waits for a retry stays. Return how many."""
        total = 0
        while True:
            counts = await asyncio.gather(*[self.step(name) for name in await self._phases.destinations()])
            if not any(counts):
                return total
            total += sum(counts)

    async def run(self, stop: asyncio.Event, *, grace_s: float = GRACE_S) -> None:
        """Perform intents until `stop`, then finish what is under way, or leave it to its lease after `grace_s`."""
        woken = asyncio.Event()
        listening = asyncio.create_task(heed(self._database.listen, CHANNEL, wake=woken, stop=stop), name="listen")
        try:
            while not stop.is_set():
                woken.clear()
                await self._look(stop)
                await first(woken, stop, timeout_s=self._poll_s)
        finally:
            stop.set()
            await self._close(grace_s)
            await asyncio.wait([listening], timeout=grace_s)

    async def _look(self, stop: asyncio.Event) -> None:
        """Hint every lane that has something due, and serve those that nobody serves."""
        try:
            names = await self._phases.destinations()
        except Exception:  # noqa: BLE001  (a runner outlives whatever happens to the database)
            _log.exception("cannot_look_for_intents")
            await first(stop, timeout_s=PAUSE_S)
            return
        for name in names:
            self._lane(name).hint.set()
            if name not in self._serving:
                self._serving[name] = asyncio.create_task(self._serve(name, stop), name=f"lane {name}")
        # Of a family that many destinations share, the worst is shown.
        worst: dict[str, State] = {}
        for lane in self.lanes:
            family = _family(lane.destination)
            worst[family] = max(worst.get(family, State.CLOSED), lane.breaker, key=_OPENNESS.index)
        for family, state in worst.items():
            metrics.breaker_is(destination=family, state=state.value)
        self._prune()

    async def _serve(self, name: str, stop: asyncio.Event) -> None:
        """Keep a lane's window full while it has something due; whoever looks again starts it again."""
        lane = self._lane(name)
        try:
            while not stop.is_set():
                lane.hint.clear()
                try:
                    count = await lane.fill()
                except Exception:  # noqa: BLE001  (as above)
                    _log.exception("lane_stumbled", destination=name)
                    await first(stop, timeout_s=PAUSE_S)
                    continue
                if count == 0:
                    await first(lane.hint, stop, timeout_s=10 * self._poll_s)
                if count == 0 and not lane.hint.is_set() and lane.in_flight == 0:
                    return
        finally:
            self._serving.pop(name, None)

    async def _close(self, grace_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*self._serving.values(), return_exceptions=True)
                await asyncio.gather(*[lane.settle() for lane in self._lanes.values()])
        for task in list(self._serving.values()):
            task.cancel()
        await asyncio.gather(*[lane.cancel() for lane in self._lanes.values()])

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            family = _family(name)
            window = self._windows.get(name) or self._windows.get(family) or WINDOW
            self._lanes[name] = Lane(
                name,
                self._phases,
                clock=self._clock,
                breaker=Breaker(self._breaker_limits, monotonic=self._clock.monotonic),
                width=Width(window, self._ahead.get(family, 1)),
                room=partial(self._room, family),
                calls=self._calls,
            )
        return self._lanes[name]

    def _room(self, family: str, lane: Lane) -> int:
        """Return how many more a destination may hold: for calls at once, and beyond that while little is held."""
        lanes = self._lanes.values()
        at_once = min(lane.window - lane.in_flight, CALLS_MAX - sum(min(each.in_flight, each.window) for each in lanes))
        beyond = min(lane.reach - lane.in_flight, HELD_MAX - sum(each.in_flight for each in lanes))
        free, ceiling = max(at_once, beyond), self._ceilings.get(family)
        if ceiling is None:
            return free
        return min(free, ceiling - sum(each.in_flight for n, each in self._lanes.items() if _family(n) == family))

    def _prune(self) -> None:
        """Forget destinations that are idle and well, once there are many (every customer's webhook host is one)."""
        if len(self._lanes) <= LANES_MAX:
            return
        for name, lane in list(self._lanes.items()):
            if name not in self._serving and lane.in_flight == 0 and lane.breaker.room(1):
                del self._lanes[name]


def _family(destination: str) -> str:
    return destination.partition(":")[0]
