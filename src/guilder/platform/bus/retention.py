"""Retention: days are made ahead and dropped when they are old, but never one that a group has not read."""

import asyncio
from datetime import UTC, timedelta

from guilder.platform.bus import store
from guilder.platform.bus.meter import Meter, NoMeter
from guilder.platform.bus.rounds import DATABASE_AWAY
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import first
from guilder.platform.logging import get

DAYS_KEPT = 30
DAYS_AHEAD = 7
EVERY_S = 3_600.0
ACTOR = "retention"

_log = get(__name__)


class Retention:
    """Keeps `days_kept` days of the log: as far back as the event feed and a replay may reach."""

    def __init__(
        self, database: Database, clock: Clock, *, days_kept: int = DAYS_KEPT, meter: Meter | None = None
    ) -> None:
        assert days_kept >= 1, days_kept
        self._database = database
        self._clock = clock
        self._days_kept = days_kept
        self._meter = meter or NoMeter()

    async def step(self) -> int:
        """Make the days to come and drop the old ones; return for how many days rows are kept beyond their time."""
        today = self._clock.now().astimezone(UTC).date()
        keep_from = today - timedelta(days=self._days_kept)

        async def add(tx: Tx) -> int:
            return await store.add_days(tx, today, ahead=DAYS_AHEAD)

        async def drop(tx: Tx) -> int:
            held = await store.drop_days(tx, keep_from)
            return (keep_from - held).days if held else 0

        await self._database.run(add, actor=ACTOR)
        held_days = await self._database.run(drop, actor=ACTOR)
        self._meter.log_held(days=held_days)
        if held_days:
            _log.error("log_is_held_back", days=held_days)
        return held_days

    async def run(self, stop: asyncio.Event) -> None:
        """Do so every hour, until `stop` is set."""
        while not stop.is_set():
            try:
                await self.step()
            except DATABASE_AWAY as error:
                _log.warning("retention_waits", reason=str(error))
            await first(stop, timeout_s=EVERY_S)
