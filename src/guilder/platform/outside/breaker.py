"""A circuit breaker: a destination that mostly fails is left alone for a while, then asked by one probe.

closed --too many failures--> open --after open_s--> half_open --probe succeeds--> closed
                                ^------- probe fails (open twice as long) ---'
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """Opens when at least `calls_min` of the last `window_s` seconds' calls came back and half of them failed."""

    window_s: float = 30.0
    calls_min: int = 5
    failure_share: float = 0.5
    open_first_s: float = 2.0
    open_max_s: float = 120.0


CALLS_KEPT_MAX = 1_000


class Breaker:
    """One destination's breaker, for one process. Every process finds out for itself, by `calls_min` calls at most."""

    def __init__(self, limits: BreakerLimits, *, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._calls: deque[tuple[float, bool]] = deque()
        self._failed = 0  # of those calls; kept, because it is asked for after each of them
        self._open_until = 0.0
        self._openings = 0
        self._is_open = False
        self._is_probing = False

    @property
    def state(self) -> State:
        if not self._is_open:
            return State.CLOSED
        return State.OPEN if self._monotonic() < self._open_until else State.HALF_OPEN

    def room(self, wanted: int) -> int:
        """Return how many of `wanted` calls may go out now: all, none, or the one probe."""
        state = self.state
        if state is State.CLOSED:
            return wanted
        return 0 if state is State.OPEN or self._is_probing else min(wanted, 1)

    def opens_in_s(self) -> float:
        """Return how long nothing goes out yet; 0 where something may."""
        return max(0.0, self._open_until - self._monotonic()) if self._is_open else 0.0

    def began(self) -> None:
        """Count a call that goes out: in half-open it is the probe.

        While it is open, only what goes on with its next step goes out; it comes back too early to be one.
        """
        self._is_probing = self._is_probing or self.state is State.HALF_OPEN

    def abandoned(self) -> None:
        """Forget a call that never went out: the next may be the probe."""
        self._is_probing = False

    def ended(self, *, ok: bool) -> None:
        """Count a call that came back."""
        now = self._monotonic()
        if self._is_open:
            self._after_probe(now, ok=ok)
            return
        self._calls.append((now, ok))
        self._failed += not ok
        oldest = now - self._limits.window_s
        while self._calls and (self._calls[0][0] < oldest or len(self._calls) > CALLS_KEPT_MAX):
            _, was_ok = self._calls.popleft()
            self._failed -= not was_ok
        if len(self._calls) >= self._limits.calls_min and self._failed >= self._limits.failure_share * len(self._calls):
            self._open(now)

    def _after_probe(self, now: float, *, ok: bool) -> None:
        if now < self._open_until:
            return  # it went out before the breaker opened, and says nothing new
        self._is_probing = False
        if ok:
            self._is_open, self._openings = False, 0
            self._forget()
        else:
            self._open(now)

    def _open(self, now: float) -> None:
        open_s = min(self._limits.open_first_s * 2**self._openings, self._limits.open_max_s)
        self._openings = min(self._openings + 1, 30)
        self._is_open = True
        self._forget()
        # Never shorter than said, up to a half longer: so that many processes do not probe at the same instant.
        self._open_until = now + open_s * random.uniform(1.0, 1.5)  # noqa: S311

    def _forget(self) -> None:
        self._calls.clear()
        self._failed = 0
