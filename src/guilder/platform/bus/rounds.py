"""Rounds: how a part of the log goes on, from when it is started until it is told to stop.

a round did something     --> the next one at once
there was nothing to do   --> the next one when something wakes it, or after `poll_s`: a wake-up may be lost
what it needs is away     --> the next one later, and each time later than that, up to `backoff_max_s`
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from guilder.platform.db.database import AILING, CLASHES, GONE, DatabaseGone
from guilder.platform.db.wakes import first
from guilder.platform.logging import get

DATABASE_AWAY = (*GONE, *AILING, *CLASHES, DatabaseGone)
LISTEN_AGAIN_S = 1.0
TELL_AGAIN_S = 60.0

# Sets its event whenever there may be something to do, until it is told to stop.
Listen = Callable[[asyncio.Event, asyncio.Event], Awaitable[None]]
_log = get(__name__)


@dataclass(frozen=True, slots=True)
class Rounds:
    """`waits_for` are the troubles that pass; whatever else a round raises ends it all."""

    name: str
    poll_s: float
    backoff_s: float
    backoff_max_s: float
    waits_for: tuple[type[BaseException], ...] = DATABASE_AWAY

    async def run(self, work: Callable[[], Awaitable[int]], listen: Listen, stop: asyncio.Event) -> None:
        """Do one round after another until `stop` is set; the one at hand is finished."""
        wake = asyncio.Event()
        listening = asyncio.create_task(self._listen(listen, wake, stop), name=f"{self.name}-listen")
        backoff_s, tell_at = self.backoff_s, 0.0
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    busy = await work()
                except self.waits_for as error:
                    if (instant := asyncio.get_running_loop().time()) >= tell_at:
                        _log.warning(f"{self.name}_waits", reason=f"{type(error).__name__}: {error}")
                        tell_at = instant + TELL_AGAIN_S
                    # Spread: those who lost the same thing do not come back to it together.
                    await first(stop, timeout_s=backoff_s * random.uniform(0.5, 1))  # noqa: S311
                    backoff_s = min(self.backoff_max_s, backoff_s * 2)
                    continue
                backoff_s, tell_at = self.backoff_s, 0.0
                if not busy:
                    await first(wake, stop, timeout_s=self.poll_s)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _listen(self, listen: Listen, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Listen, again and again: rounds go on without it, later each, and nobody would know why."""
        while not stop.is_set():
            try:
                await listen(wake, stop)
            except Exception:  # noqa: BLE001  (whatever it is, rounds go on, and find by looking what nobody told)
                _log.exception(f"{self.name}_hears_nothing")
            await first(stop, timeout_s=LISTEN_AGAIN_S)
