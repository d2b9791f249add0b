"""The consumer: one process's share of the work of all groups."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from guilder.platform.bus import store, together
from guilder.platform.bus.batches import Batches, BatchFailed, Clashed, LostCursor, Taken
from guilder.platform.bus.handling import Handling
from guilder.platform.bus.meter import Meter, NoMeter
from guilder.platform.bus.packs import Pack, Packs
from guilder.platform.bus.reactions import Reactions, Start
from guilder.platform.bus.retry import RetryPolicy
from guilder.platform.bus.rounds import Rounds
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.bus.store import Share
from guilder.platform.bus.transport import PostgresTransport, Transport
from guilder.platform.bus.window import Window
from guilder.platform.clock import Clock
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import CLASHES, GONE, Database, DatabaseGone
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import first
from guilder.platform.logging import get

T = TypeVar("T")

BATCH_MAX = 1_000
CLASHES_MAX = 6
ROUNDS = Rounds("consumer", poll_s=1, backoff_s=1, backoff_max_s=30)
TROUBLE_PAUSE_S = 0.2
MEASURE_S = 15.0
ACTOR = "consumer"

# For whoever will not wait: every retry is due before this.
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_log = get(__name__)


class Consumer:
    """Hears the log for every group of `reactions`. Any number may run, in any processes; batches are one's at a time."""

    def __init__(
        self,
        database: Database,
        reactions: Reactions,
        clocks: TenantClocks,
        clock: Clock,
        *,
        batch_max: int = BATCH_MAX,
        at_once_max: int = 4,
        retry: RetryPolicy | None = None,
        meter: Meter | None = None,
        transport: Transport | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        self._database = database
        self._reactions = reactions
        # Every group is made known by every consumer; heard may be fewer: others are other processes' work.
        self._groups = reactions.groups if only is None else sorted(only)
        assert set(self._groups) <= set(reactions.groups), self._groups
        self._clock = clock
        self._batch_max = batch_max
        self._at_once_max = at_once_max
        self._meter = meter or NoMeter()
        self._transport = transport or PostgresTransport(database)
        self._batches = Batches(database, self._transport, Handling(reactions, clocks), retry or RetryPolicy())
        self._sequencer = Sequencer(database, transport=self._transport)
        self._windows: dict[tuple[Share, str], Window] = {}
        self._packs = Packs()
        self._registered = False
        self._measured_at: float | None = None

    async def register(self) -> None:
        """Make the groups known: from here on their cursors hold back retention, and a sandbox's rest."""
        if self._registered:
            return

        async def work(tx: Tx) -> None:
            for group in self._reactions.groups:
                from_end = self._reactions.start(group) is Start.END
                await store.register(tx, group, self._reactions.patterns(group), from_end=from_end)

        await self._database.run(work, actor=ACTOR)
        self._transport.join({group: self._reactions.patterns(group) for group in self._groups})
        self._registered = True

    async def step(self, group: str, partition: int, *, hurry: bool = False) -> int:
        """Deal with one batch of a group's in one partition, and with its parked messages that are due.

        Returns how many messages were dealt with: handled, parked, or put behind a parked one of their key; 0 where
        there are none or another consumer is at them. `hurry` tries parked messages before their time.

        :raises WrongEpoch: the database was restored
        """
        await self.register()
        share = Share(group, partition)
        try:
            dealt, has_due = await self._take(share, hurry=hurry)
            return dealt + (await self._retry_due(share, hurry=hurry) if has_due else 0)
        except LostCursor:
            _log.info("batch_was_taken_over", group=group, partition=partition)
            return 0

    async def step_together(self, group: str, partitions: Sequence[int], *, hurry: bool = False) -> int:
        """Deal with one batch of a group's that spans partitions, as `step` does with each; in one transaction.

        Where it fails, nothing has happened, and each partition takes its own step: what is at fault is found where it
        lies, and holds up no other. So a partition that is looked through already does not come along.
        """
        if len(partitions) == 1:
            dealt = await self.step(group, partitions[0], hurry=hurry)
            self._packs.passed(group, dealt, rows_max=self._batch_max)
            return dealt
        await self.register()
        now = self._clock.now()
        try:
            taken = await _through_clashes(
                lambda: self._batches.take(
                    group, partitions, rows_max=self._batch_max, now=now, due_before=_FOR_EVER if hurry else now
                )
            )
        except LostCursor:
            _log.info("batch_was_taken_over", group=group, partitions=list(partitions))
            return 0
        except BatchFailed as failed:
            self._packs.failed(group, len(partitions))
            _log.warning("batch_was_split", group=group, messages=failed.rows, reason=repr(failed.reason))
            return await self._step_apart(group, partitions, hurry=hurry)
        passed = sum(each.passed for each in taken.values())
        self._packs.passed(group, passed, rows_max=self._batch_max)
        return passed + await self._after_taking(group, taken, hurry=hurry)

    async def _after_taking(self, group: str, taken: Mapping[int, Taken], *, hurry: bool) -> int:
        """Count what was handled, try parked messages that are due, and give cursors where there seem to be none."""
        dealt, unclaimed = 0, []
        for partition, each in taken.items():
            share = Share(group, partition)
            self._count(share, handled=each.passed - each.queued, parked=each.queued)
            if each.has_due:
                try:
                    dealt += await self._retry_due(share, hurry=hurry)
                except LostCursor:
                    _log.info("batch_was_taken_over", group=group, partition=partition)
            elif not each.is_claimed:
                unclaimed.append(partition)
        opened = await self._open_cursors(group, unclaimed) if unclaimed else []
        return dealt + (await self.step_together(group, opened, hurry=hurry) if opened else 0)

    async def _step_apart(self, group: str, partitions: Sequence[int], *, hurry: bool) -> int:
        """Step in each partition, whatever becomes of the others; then tell the first one's trouble."""
        dealt, troubles = 0, []
        for partition in partitions:
            try:
                dealt += await self.step(group, partition, hurry=hurry)
            except (*GONE, DatabaseGone):
                raise
            except Exception as error:  # noqa: BLE001  (one partition's trouble is not the others')
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return dealt

    async def drain(self, *, hurry: bool = False) -> int:
        """Give positions and step until nothing is left that can be done now (parked messages wait, unless `hurry`)."""
        await self.register()
        total = 0
        while True:
            sequenced = await self._sequencer.drain()
            dealt = 0
            for group, partitions in self._together(await self._news(hurry=hurry)):
                dealt += await self.step_together(group, partitions, hurry=hurry)
            total += dealt
            if not sequenced and not dealt:
                return total

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and then finish the batches at hand."""
        await ROUNDS.run(lambda: self._round(stop), self._transport.listen, stop)

    async def _round(self, stop: asyncio.Event) -> int:
        """Step once wherever there is news, a few at once; return how many messages were dealt with."""
        await self.register()
        await self._measure()
        shares = await self._news(whole=False)
        # Consumers that all began at the first share would stand in each other's way there.
        random.shuffle(shares)
        packs = self._together(shares)
        free = asyncio.Semaphore(self._at_once_max)

        async def work(pack: Pack) -> int:
            async with free:
                return 0 if stop.is_set() else await self.step_together(*pack)

        results = await asyncio.gather(*(work(pack) for pack in packs), return_exceptions=True)
        gone = [result for result in results if isinstance(result, (*GONE, DatabaseGone))]
        if gone:
            raise gone[0]
        for (group, partitions), result in zip(packs, results, strict=True):
            if isinstance(result, BaseException):
                # One partition's trouble is not the others'; it is tried again with the next round.
                _log.error("step_failed", group=group, partitions=partitions, reason=repr(result))
        if any(isinstance(result, BaseException) for result in results):
            await first(stop, timeout_s=TROUBLE_PAUSE_S)
        return sum(result for result in results if isinstance(result, int))

    async def _take(self, share: Share, *, hurry: bool) -> tuple[int, bool]:
        window = self._window(share, "news")
        now = self._clock.now()
        try:
            parts = await _through_clashes(
                lambda: self._batches.take(
                    share.group,
                    [share.partition],
                    rows_max=window.size,
                    now=now,
                    due_before=_FOR_EVER if hurry else now,
                )
            )
            taken = parts[share.partition]
        except BatchFailed as error:
            failed = error  # (its own name would be gone before the lambda runs)
            self._note_failure(share, window, failed)
            if failed.rows > 1:
                return await self._take(share, hurry=hurry)
            dead = await _through_clashes(lambda: self._batches.set_aside(share, failed, now=now))
            self._meter.log_messages(group=share.group, outcome="dead" if dead else "parked")
            return 1, True
        if not taken.passed and not taken.has_due and await self._open_cursors(share.group, [share.partition]):
            return await self._take(share, hurry=hurry)
        window.succeeded(taken.passed)
        self._count(share, handled=taken.passed - taken.queued, parked=taken.queued)
        return taken.passed, taken.has_due

    async def _retry_due(self, share: Share, *, hurry: bool) -> int:
        window = self._window(share, "parked")
        now = self._clock.now()
        due_before = _FOR_EVER if hurry else now
        try:
            handled = await _through_clashes(
                lambda: self._batches.retry_due(share, rows_max=window.size, now=due_before)
            )
        except BatchFailed as error:
            failed = error  # (its own name would be gone before the lambda runs)
            self._note_failure(share, window, failed)
            if failed.rows > 1:
                return await self._retry_due(share, hurry=hurry)
            dead = await _through_clashes(lambda: self._batches.put_back(share, failed, now=now, due_before=due_before))
            self._count(share, dead=int(dead))
            return 1
        window.succeeded(handled)
        self._count(share, handled=handled)
        return handled

    async def _open_cursors(self, group: str, partitions: Sequence[int]) -> list[int]:
        """Give the group cursors where a topic is new; asked only when there seems to be nothing to do."""

        async def work(tx: Tx) -> list[int]:
            return await together.open_cursors(tx, group, partitions)

        return await self._database.run(work, actor=ACTOR)

    def _note_failure(self, share: Share, window: Window, failed: BatchFailed[Any]) -> None:
        window.failed(failed.rows)
        self._meter.log_messages(group=share.group, outcome="failed")
        _log.warning(
            "batch_failed",
            group=share.group,
            partition=share.partition,
            messages=failed.rows,
            reason=repr(failed.reason),
        )

    def _count(self, share: Share, **outcomes: int) -> None:
        for outcome, count in outcomes.items():
            if count:
                self._meter.log_messages(group=share.group, outcome=outcome, count=count)

    def _together(self, shares: Sequence[Share]) -> list[Pack]:
        return self._packs.of(shares, alone={share for share in shares if not self._window(share, "news").is_open})

    def _window(self, share: Share, kind: str) -> Window:
        return self._windows.setdefault((share, kind), Window(self._batch_max))

    async def _news(self, *, hurry: bool = False, whole: bool = True) -> list[Share]:
        now = _FOR_EVER if hurry else self._clock.now()
        async with self._database.transaction(actor=ACTOR) as tx:
            found = await self._transport.news(tx, self._groups, now=now, whole=whole)
        if not found:
            self._batches.handling.messages.forget()
        return found

    async def _measure(self) -> None:
        instant = self._clock.monotonic()
        if self._measured_at is not None and instant - self._measured_at < MEASURE_S:
            return
        self._measured_at = instant
        async with self._database.transaction(actor=ACTOR) as tx:
            for lag in await store.lag(tx):
                self._meter.log_lags(group=lag.group, rows=lag.behind + lag.parked)


async def _through_clashes(work: Callable[[], Awaitable[T]]) -> T:
    """Do the whole batch again where PostgreSQL says that it clashed; what always clashes has failed like any other."""
    for attempt in range(1, CLASHES_MAX + 1):
        try:
            return await work()
        except (*CLASHES, Clashed):
            if attempt == CLASHES_MAX:
                raise
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  (jitter, not a secret)
    raise AssertionError("unreachable")
