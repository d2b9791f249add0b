"""Whether this machine knows what time it is: its clock and the database's agree.

Whoever does what is due by a clock that is a month ahead bills a month too early, and forgets what is to be kept. Which of
two clocks is wrong nobody can tell, so where they differ nothing is done, and it is said. Clocks jump: the database is asked
every few seconds, and at once where this machine's clock went another way than its seconds.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from guilder.platform import logging
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database

ACTOR = "scheduler"
APART_MAX = timedelta(minutes=5)
LOOK_EVERY_S = 5.0
TELL_AGAIN_S = 60.0

_log = logging.get(__name__)


@dataclass(slots=True)
class Agreement:
    """Looks at both clocks."""

    database: Database
    clock: Clock
    _is_off: bool = field(default=False, init=False)
    _began: datetime | None = field(default=None, init=False)  # when this machine's seconds began, by its clock
    _look_at_s: float = field(default=0.0, init=False)
    _tell_at_s: float = field(default=0.0, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def is_off(self) -> bool:
        """Say whether they are further apart than the clocks of machines that run NTP ever are."""
        async with self._looking:
            instant, now = self.clock.monotonic(), self.clock.now()
            began = now - timedelta(seconds=instant)
            if self._began is None or abs(began - self._began) > APART_MAX or instant >= self._look_at_s:
                await self._look(instant)
                self._began, self._look_at_s = began, instant + LOOK_EVERY_S
            return self._is_off

    async def _look(self, instant: float) -> None:
        async with self.database.transaction(actor=ACTOR) as tx:
            there = await tx.fetchval("select clock_timestamp()")
        ahead = self.clock.now() - there
        self._is_off = abs(ahead) > APART_MAX
        if self._is_off and instant >= self._tell_at_s:
            self._tell_at_s = instant + TELL_AGAIN_S
            _log.error("clock_is_off", ahead_s=round(ahead.total_seconds()), means="nothing that is due is done here")
