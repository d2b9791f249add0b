"""Kafka as the transport: what the topics brought says where to read next, and the log itself is what is read.

A record is a hint, never the truth: rows come from PostgreSQL, by the place that the record named, and only if that is
where the log has them. So whoever can write to a topic can change nothing; what was erased from the log is not heard from
an old record; and what the brokers lost, hold back or never got is found by looking, as if there were no brokers.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from confluent_kafka import KafkaException

from guilder.platform import metrics
from guilder.platform.bus import store, together
from guilder.platform.bus.batches import LostCursor
from guilder.platform.bus.kafka import store as rows
from guilder.platform.bus.kafka.connection import Connection, complain
from guilder.platform.bus.kafka.hearing import AGAIN_S, Hearing
from guilder.platform.bus.kafka.hints import Hints, runs_of
from guilder.platform.bus.kafka.record import Received, to_hint
from guilder.platform.bus.store import Cursor, Ref, Share
from guilder.platform.bus.together import Claimed, Found, Run
from guilder.platform.clock import Clock
from guilder.platform.db.database import GONE, Database, DatabaseGone
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.wakes import first
from guilder.platform.logging import get

# How often the log is looked at for what no record told of; twice that is how late a row may be heard at worst.
LOOK_S = 1.0
TOPICS_S = 2.0

_log = get(__name__)


class KafkaTransport:
    """One process's ears, for the groups that it joined: a member of one consumer group for each."""

    hearing = Hearing

    def __init__(self, database: Database, connection: Connection, clock: Clock) -> None:
        self._database = database
        self._connection = connection
        self._clock = clock
        self._hints = Hints()
        self._groups: list[str] = []
        self._topics: dict[str, frozenset[str]] = {}
        self._hearings: dict[str, Hearing] = {}
        self._awake: set[Share] = set()
        self._looked_at = -LOOK_S
        self._behind: set[Share] = set()
        self._doubted: set[Share] = set()
        self._fresh = asyncio.Event()
        self._joined = asyncio.Event()

    def join(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = sorted({*self._groups, *groups})
        self._joined.set()

    async def carry(self) -> None:
        # The relay listens for this; consumers hear of it from the brokers.
        self._database.waker.wake([store.SEQUENCED])

    async def news(self, tx: Tx, groups: Sequence[str], *, now: datetime, whole: bool) -> list[Share]:
        """Say what the records told of; and what was behind at two looks in a row, a second apart: no record told of
        that, or whoever was told is gone.
        """
        told, self._awake = {share for share in self._awake if share.group in groups}, set()
        instant = self._clock.monotonic()
        if not whole and instant - self._looked_at < LOOK_S:
            return sorted(told)
        found = set(await store.news(tx, groups, now=now))
        self._looked_at, self._doubted, self._behind = instant, found & self._behind, found
        return sorted(found if whole else told | self._doubted)

    async def find(self, tx: Tx, group: str, claimed: Claimed, *, rows_max: int) -> dict[int, list[Run]]:
        found: dict[int, list[Run]] = {}
        for partition, cursors in claimed.items():
            share = Share(group, partition)
            if not rows_max:
                self._awake.add(share)  # its turn is the next
            elif refs := await self.find_in(tx, share, cursors, rows_max=rows_max):
                found[partition] = runs_of(refs)
                rows_max -= len(refs)
        return found

    async def find_in(self, tx: Tx, share: Share, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
        """Find what follows the cursors of one partition: where records told, or else in the log."""
        told = [] if share in self._doubted else self._hints.after(share.partition, cursors, rows_max=rows_max)
        self._doubted.discard(share)
        found = told or await store.find(tx, share.partition, cursors, rows_max=rows_max)
        metrics.transport_found(rows=len(found), source="broker" if told else "log")
        if len(found) == rows_max:
            self._awake.add(share)  # there may be more behind these
        return found

    async def read(self, tx: Tx, claimed: Claimed, found: Found) -> list[Row]:
        runs = [run for part in found.values() for run in part]
        rows_found = await together.read(tx, found)
        if len(rows_found) == sum(run.rows for run in runs):
            return together.in_order(rows_found, found)
        # Nothing of the log is missing there: what told of these rows was not the relay, or of another life of the log.
        self._hints = Hints()
        complain("hints_were_wrong", f"{len(runs)} runs, the first {runs[0]}")
        raise LostCursor(runs[0])

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        await first(self._joined, stop)
        threads = ThreadPoolExecutor(max(1, len(self._groups)), thread_name_prefix="kafka-hear")
        self._hearings = {group: self.hearing(self._connection, group, threads) for group in self._groups}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_topics(stop))
                for group in self._groups:
                    tasks.create_task(self._hear(group, wake, stop), name=f"hear-{group}")
        finally:
            hearings, self._hearings = list(self._hearings.values()), {}
            await asyncio.gather(*(hearing.close() for hearing in hearings))
            threads.shutdown(wait=False)

    async def _hear(self, group: str, wake: asyncio.Event, stop: asyncio.Event) -> None:
        hearing = self._hearings[group]
        while not stop.is_set():
            topics = self._topics.get(group, frozenset())
            try:
                records = await hearing.receive(topics) if topics else []
            except KafkaException as error:
                complain("hearing_waits", error.args[0].str())
                await first(stop, timeout_s=AGAIN_S)
                continue
            if not topics:
                await first(stop, self._fresh, timeout_s=LOOK_S)
            if records:
                self._take(group, records)
                wake.set()

    def _take(self, group: str, records: Sequence[Received]) -> None:
        skipped = len(self._connection.prefix)
        found = [to_hint(each.topic[skipped:], each.partition, each.headers) for each in records]
        self._hints.add([hint for hint in found if hint is not None])
        self._awake |= {Share(group, each.partition) for each in records}

    async def _keep_topics(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(*GONE, DatabaseGone):
                await self.learn_topics()
            await first(stop, timeout_s=TOPICS_S)

    async def learn_topics(self) -> None:
        """Know the topics of the groups, as new ones come up."""
        async with self._database.transaction(actor="consumer") as tx:
            found = await rows.topics_of(tx, self._groups)
        known = {group: frozenset(map(self._connection.topic, topics)) for group, topics in found.items()}
        if known != self._topics:
            self._topics = known
            self._fresh.set()
            self._fresh = asyncio.Event()
