"""A lane: everything that goes to one destination, within a window of its own, behind a breaker of its own.

A slow destination fills its own window and nobody else's. Where calls are quick, more than a window's worth is claimed
and loaded at once, and waits for its turn here: a transaction serves many calls. Outcomes that come back close together
are recorded in one, too; the last one under way, or a lone one, waits for nobody.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guilder.platform import logging, metrics, tracing
from guilder.platform.clock import Clock
from guilder.platform.db.database import GONE, DatabaseGone, in_transaction
from guilder.platform.outside.breaker import Breaker, State
from guilder.platform.outside.intents import CallFailed, Done
from guilder.platform.outside.phases import AnyDone, Phases, Ready, claim_of
from guilder.platform.outside.store import Claim

# How long an outcome waits for others to be recorded with it, while others are under way; and how often over, while more
# than a window's worth is held: a call's place is free before it is recorded, so that holds up nobody.
GATHER_S = 0.008
GATHERS_MAX = 12
RECORD_MAX = 500
# How often what came back is recorded again where the database is away: it is restarted, or another takes its place.
RECORD_TRIES_MAX = 60
RECORD_AGAIN_S = 1.0
# What is held begins within so long, at the time that calls take now: far less than its lease allows.
SOON_S = 4.0

_log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class LaneState:
    """What a lane looks like from outside."""

    destination: str
    breaker: State
    opens_in_s: float
    in_flight: int
    window: int


@dataclass(frozen=True, slots=True)
class Width:
    """How much one destination may have: `window` calls at once, and `ahead` windows' worth held for that."""

    window: int
    ahead: int = 1


class Lane:
    """Takes intents of one destination through load, call and record."""

    def __init__(
        self,
        destination: str,
        phases: Phases,
        *,
        clock: Clock,
        breaker: Breaker,
        width: Width,
        room: Callable[["Lane"], int],
        calls: asyncio.Semaphore,
    ) -> None:
        """`room` says how many more this lane may hold, and `calls` is what all lanes of a process share."""
        self.destination = destination
        self.window = width.window
        self.breaker = breaker
        # What is held: claimed, and not recorded.
        self.in_flight = 0
        self._ahead = width.ahead
        self._turns = asyncio.Semaphore(width.window)
        self._all_calls = calls
        self._call_s: float | None = None
        # Set when there may be something to do: a slot became free, or an intent is due.
        self.hint = asyncio.Event()
        self._phases = phases
        self._clock = clock
        self._room = room
        self._filling = asyncio.Lock()
        self._calls: set[asyncio.Task[None]] = set()
        self._came_back: list[AnyDone] = []
        self._unsent: list[Claim] = []
        self._recorder: asyncio.Task[None] | None = None
        self._is_over = False
        self._alarm: asyncio.TimerHandle | None = None
        # Metrics know families of destinations ("gateway", "webhook"), never a customer's host.
        self._family = destination.partition(":")[0]

    @property
    def state(self) -> LaneState:
        breaker = self.breaker
        return LaneState(self.destination, breaker.state, breaker.opens_in_s(), self.in_flight, self.window)

    @property
    def reach(self) -> int:
        """Return how many may be held: a window's worth, and as many more as begin soon, by what calls took lately."""
        if self._call_s is None:
            return self.window
        return self.window * max(1, min(self._ahead, int(SOON_S / max(self._call_s, 0.001))))

    async def fill(self) -> int:
        """Claim, load and send out as many as there is room for; return how many were claimed."""
        assert not in_transaction(), f"a call to {self.destination} with a transaction open"
        async with self._filling:
            room = max(0, self._room(self))
            if self.in_flight >= self.window and 2 * room < self.reach:
                return 0  # enough is held to go on with: what is claimed then shares a transaction with few
            limit = self.breaker.room(room)
            if limit == 0:
                return 0
            is_probe = self.breaker.state is not State.CLOSED
            begin_by = self._clock.monotonic() + self._phases.lease_margin_s
            # Taken before it is known how many there are: lanes that fill at the same time share one room.
            self.in_flight += limit
            ready: list[Ready] = []
            try:
                claims, wait_s = await self._phases.take(self.destination, limit)
                if wait_s:
                    self._ask_again(wait_s)
                ready = await self._phases.load(claims)
            finally:
                self.in_flight -= limit - len(ready)
            self._send_out(ready, begin_by, is_sure=is_probe)
            return len(claims)

    def _ask_again(self, wait_s: float) -> None:
        """Look again when the pace that is kept with the destination allows more; one alarm at a time."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(wait_s, self.hint.set)

    async def settle(self) -> None:
        """Wait until everything under way is recorded."""
        while tasks := [*self._calls, *([self._recorder] if self._recorder else [])]:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)

    async def cancel(self) -> None:
        """Stop the calls that are under way; their leases run out, and they are repeated with the same keys."""
        self._is_over = True
        for task in self._calls:
            task.cancel()
        await self.settle()

    def _send_out(self, ready: Sequence[Ready], begin_by: float, *, is_sure: bool) -> None:
        """Have these called, each in its turn. What is sure (a probe, a next step) goes out though the breaker is open."""
        for each in ready:
            if is_sure:
                self.breaker.began()
            task = asyncio.create_task(
                self._take_turn(each, begin_by, is_sure=is_sure), name=f"call {self.destination}"
            )
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _take_turn(self, ready: Ready, begin_by: float, *, is_sure: bool) -> None:
        """Call when it is this one's turn, and have what came of it recorded."""
        intent = ready.intent
        try:
            async with self._turns, self._all_calls:
                if self._clock.monotonic() > begin_by:
                    # It stood still since it was claimed: somebody else may hold the lease when the answer comes.
                    _log.warning("lease_too_short_to_call", intent_id=str(intent.id), kind=intent.kind)
                    self._forget()
                    return
                if is_sure or self.breaker.state is State.CLOSED:
                    done = await self._perform(ready)
                    self._came_back.append(done)
                else:
                    self._unsent.append(claim_of(intent))
        except asyncio.CancelledError:
            self._forget()
            raise
        if self._recorder is None:
            self._recorder = asyncio.create_task(self._record(), name=f"record {self.destination}")

    async def _perform(self, ready: Ready) -> AnyDone:
        limits = ready.performer.limits
        intent = ready.intent
        is_last = intent.attempts >= limits.attempts_max
        if intent.attempts > limits.attempts_max:
            # Nothing but crashes gets here: a retry beyond the limit would have been dead.
            failure: CallFailed | None = CallFailed("its lease ran out again and again", is_outage=False)
            outcome = None
            self.breaker.abandoned()
        else:
            outcome, failure = await self._call(ready)
        return Done(intent=intent, request=ready.request, outcome=outcome, failure=failure, is_last=is_last)

    async def _call(self, ready: Ready) -> tuple[object, CallFailed | None]:
        intent = ready.intent
        asked = [intent.traceparent]
        with tracing.taken_up(f"call {intent.kind}", asked, destination=self._family, attempt=intent.attempts):
            outcome, failure = await self._called(ready)
            tracing.noted(outcome="failed" if failure else "ok")
        return outcome, failure

    async def _called(self, ready: Ready) -> tuple[object, CallFailed | None]:
        began, outcome, failure = self._clock.monotonic(), None, None
        limit_s = ready.performer.limits.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                outcome = await ready.performer.call(ready.intent, ready.request, now=ready.now)
        except CallFailed as error:
            failure = error
        except TimeoutError:
            failure = CallFailed(f"no answer within {limit_s:g} s")
        except OSError as error:
            failure = CallFailed(f"cannot be reached: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001  (our mistake, not the destination's: it must not stop the lane)
            _log.exception("call_broke", intent_id=str(ready.intent.id), kind=ready.intent.kind)
            failure = CallFailed(f"{type(error).__name__} in the performer", is_outage=False)
        self.breaker.ended(ok=failure is None or not failure.is_outage)
        seconds = self._clock.monotonic() - began
        # A slow one counts at once, and is forgotten little by little.
        self._call_s = seconds if self._call_s is None else max(seconds, 0.9 * self._call_s + 0.1 * seconds)
        metrics.outside_called(destination=self._family, outcome="failed" if failure else "ok", seconds=seconds)
        return outcome, failure

    async def _record(self) -> None:
        try:
            while self._came_back or self._unsent:
                await self._gather()
                await self._give_back()
                batch, self._came_back = self._came_back[:RECORD_MAX], self._came_back[RECORD_MAX:]
                moved, begin_by = await self._recorded(batch)
                self.in_flight -= len(batch) - len(moved)
                self._send_out(moved, begin_by, is_sure=True)
                self.hint.set()
        finally:
            self._recorder = None

    async def _recorded(self, batch: Sequence[AnyDone]) -> tuple[list[Ready], float]:
        """Record what came back, and again while the database is away: a mail that is called for again is sent again.

        Whatever the leases are by then, outcomes are recorded only where nobody has taken them over.
        """
        tries = 0
        while True:
            tries += 1
            begin_by = self._clock.monotonic() + self._phases.lease_margin_s
            try:
                return await self._phases.record(batch), begin_by
            except Exception as error:  # noqa: BLE001  (whatever it was, the lane goes on)
                is_away = isinstance(error, (*GONE, DatabaseGone))
                if not is_away or self._is_over or tries >= RECORD_TRIES_MAX:
                    # The leases run out, and the calls are repeated with the same keys.
                    _log.exception("outcomes_not_recorded", destination=self.destination, count=len(batch))
                    return [], begin_by
            await asyncio.sleep(RECORD_AGAIN_S)

    async def _gather(self) -> None:
        for _ in range(GATHERS_MAX if self.in_flight > self.window else 1):
            if len(self._came_back) + len(self._unsent) >= self.in_flight:
                return
            await asyncio.sleep(GATHER_S)

    async def _give_back(self) -> None:
        """Let go of what was held and not called, because the breaker opened before its turn: it is due again at once."""
        claims, self._unsent = self._unsent, []
        if not claims:
            return
        try:
            await self._phases.give_back(self.destination, claims)
        except Exception:  # noqa: BLE001  (as below: the leases run out)
            _log.exception("not_given_back", destination=self.destination, count=len(claims))
        self.in_flight -= len(claims)

    def _forget(self) -> None:
        self.breaker.abandoned()
        self.in_flight -= 1
        self.hint.set()
