"""The relay: carries the log into topics, partition by partition and in order, and remembers how far it has come.

Its place is a cursor like any group's, so that retention waits for it and its lag is everybody's. A batch is read in one
transaction, sent outside of any, and passed in another, guarded by where the cursor stood. Whoever dies between sends the
batch again: every row is in its topic at least once, and each row's first time is in the order of positions.
"""

import asyncio
from uuid import uuid4

import asyncpg

from guilder.platform import metrics
from guilder.platform.bus import store, together
from guilder.platform.bus.batches import WrongEpoch
from guilder.platform.bus.groups import RELAY
from guilder.platform.bus.kafka import store as rows
from guilder.platform.bus.kafka.record import Record, to_record
from guilder.platform.bus.kafka.sender import AT_ONCE_MAX, DELIVERY_S, Sender
from guilder.platform.bus.kafka.topics import BrokerAway
from guilder.platform.bus.rounds import DATABASE_AWAY, Rounds
from guilder.platform.bus.store import Cursor, Ref, Share
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import heed
from guilder.platform.logging import get

ROWS_MAX = 1_000
# Longer than a batch may be on its way: another relay waits that long for one that was killed.
LEASE_S = DELIVERY_S + 10
MEASURE_S = 15.0
ROUNDS = Rounds("relay", poll_s=0.5, backoff_s=0.5, backoff_max_s=5, waits_for=(*DATABASE_AWAY, BrokerAway, WrongEpoch))
ACTOR = "relay"

_log = get(__name__)


class Relay:
    """Any number may run, on any nodes: each partition is one's at a time."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        clock: Clock,
        *,
        rows_max: int = ROWS_MAX,
        lease_s: float = LEASE_S,
    ) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._rows_max = rows_max
        self._lease_s = lease_s
        self._holder = uuid4()
        self._registered = False
        self._measured_at = -MEASURE_S

    async def register(self) -> None:
        """Make the relay known: from here on its place holds back retention."""
        if not self._registered:
            await self._database.run(lambda tx: store.register(tx, RELAY, ["%"], from_end=False), actor=ACTOR)
            self._registered = True

    async def step(self, partition: int) -> int:
        """Carry one batch of a partition; return how many rows. 0 if there are none, or another relay is at it.

        :raises BrokerAway: it is to be sent again
        :raises WrongEpoch: the database was restored
        """
        cursors, refs, records = await self._database.run(lambda tx: self._read(tx, partition), actor=ACTOR)
        if not refs:
            if not cursors and await self._open(partition):
                return await self.step(partition)
            return 0
        try:
            await self._sender.send(records)
        except BrokerAway:
            metrics.relay_sent(rows=len(refs), outcome="failed")
            await self._database.run(lambda tx: rows.let_go(tx, partition, self._holder), actor=ACTOR)
            raise
        return await self._pass(partition, cursors, refs)

    async def drain(self) -> int:
        """Carry everything that has a position, but for what another relay is at; return how many rows."""
        await self.register()
        total = 0
        while carried := await self._round(asyncio.Event()):
            total += carried
        return total

    async def run(self, stop: asyncio.Event) -> None:
        """Carry rows as they get their positions, until `stop` is set; then finish the batches at hand."""

        async def listen(wake: asyncio.Event, stop: asyncio.Event) -> None:
            await heed(self._database.listen, store.SEQUENCED, wake=wake, stop=stop)

        async def work() -> int:
            await self.register()
            await self._measure()
            return await self._round(stop)

        await ROUNDS.run(work, listen, stop)

    async def close(self) -> None:
        await self._sender.close()

    async def _round(self, stop: asyncio.Event) -> int:
        """Step once wherever there is news, a few partitions at once; after `stop` none is begun any more."""
        async with self._database.transaction(actor=ACTOR) as tx:
            shares = await store.news(tx, [RELAY], now=self._clock.now())
        free = asyncio.Semaphore(AT_ONCE_MAX)

        async def work(share: Share) -> int:
            async with free:
                return 0 if stop.is_set() else await self.step(share.partition)

        results = await asyncio.gather(*(work(share) for share in shares), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return sum(result for result in results if isinstance(result, int))

    async def _read(self, tx: Tx, partition: int) -> tuple[list[Cursor], list[Ref], list[Record]]:
        """Take the partition, and read what follows; nothing where it is another's."""
        if not await rows.hold(tx, partition, self._holder, for_s=self._lease_s):
            return [], [], []
        cursors = await store.claim(tx, RELAY, partition, now=self._clock.now())
        if wrong := [cursor for cursor in cursors if cursor.epoch != cursor.log_epoch]:
            raise WrongEpoch(f"the relay stands in epoch {wrong[0].epoch}, but the log is in {wrong[0].log_epoch}")
        refs = await store.find(tx, partition, cursors, rows_max=self._rows_max) if cursors else []
        if not refs:
            await rows.let_go(tx, partition, self._holder)
            return cursors, [], []
        await tx.narrow({ref.tenant_id for ref in refs})
        found = await store.read(tx, refs)
        assert len(found) == len(refs), (partition, len(found), len(refs))
        epoch = cursors[0].epoch
        return cursors, refs, [to_record(row, ref, epoch=epoch) for row, ref in zip(found, refs, strict=True)]

    async def _pass(self, partition: int, cursors: list[Cursor], refs: list[Ref]) -> int:
        reached = {ref.topic: ref.position for ref in refs}
        moves = [(cursor, reached[cursor.topic]) for cursor in cursors if cursor.topic in reached]

        async def work(tx: Tx) -> None:
            await store.move(tx, RELAY, partition, moves, epoch=cursors[0].epoch)
            await rows.let_go(tx, partition, self._holder)

        try:
            await self._database.run(work, actor=ACTOR)
        except asyncpg.PostgresError as error:
            if error.sqlstate != store.MOVED_SQLSTATE:
                raise
            # Another relay has carried these meanwhile: they are in the topic twice.
            _log.info("relay_was_overtaken", partition=partition, rows=len(refs))
            metrics.relay_sent(rows=len(refs), outcome="twice")
            return 0
        metrics.relay_sent(rows=len(refs), outcome="sent")
        return len(refs)

    async def _open(self, partition: int) -> bool:
        """Give the relay cursors where a topic is new; say whether there was one."""
        return bool(await self._database.run(lambda tx: together.open_cursors(tx, RELAY, [partition]), actor=ACTOR))

    async def _measure(self) -> None:
        instant = self._clock.monotonic()
        if instant - self._measured_at < MEASURE_S:
            return
        self._measured_at = instant
        async with self._database.transaction(actor=ACTOR) as tx:
            for lag in await store.lag(tx):
                if lag.group == RELAY:
                    metrics.log_lags(group=RELAY, rows=lag.behind)
