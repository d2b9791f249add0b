"""The log's world over a real broker: a relay, and consumers that wait for what the topics bring."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from guilder.platform.bus import store
from guilder.platform.bus.consumer import Consumer as Consumer_
from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.hearing import Hearing
from guilder.platform.bus.kafka.record import POSITION, Received, Record
from guilder.platform.bus.kafka.relay import Relay
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import Topics
from guilder.platform.bus.kafka.transport import KafkaTransport
from guilder.platform.bus.reactions import Reaction, Start
from guilder.platform.bus.store import Cursor, Ref, Share
from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.contracts.log_toys import World

PARTITIONS = 16
TOPICS = ("toy.events", "toy.simulated.requests")
PATIENCE_S = 10.0
_numbers = count(1)


def connected_to(servers: str) -> Connection:
    """A connection with a prefix of its own, so that no test meets another's topics."""
    return Connection(servers, prefix=f"t{next(_numbers)}-{uuid4().hex[:8]}.")


def a_relay(database: Database, connection: Connection, *, delivery_s: float = 20, **about: Any) -> Relay:
    topics = Topics(connection, partitions=PARTITIONS, days_kept=1)
    return Relay(database, Sender(connection, topics, delivery_s=delivery_s), WallClock(), **about)


class Direct(Hearing):
    """Takes all partitions at once instead of waiting for the group's coordinator."""

    def _subscribe(self, consumer: Consumer, topics: frozenset[str]) -> None:
        places = [TopicPartition(topic, n, OFFSET_BEGINNING) for topic in topics for n in range(PARTITIONS)]
        consumer.assign(places)


class Ears:
    """One listener for all tests of a session: to begin anew for each would take longer than the tests.

    They share the topics too; each lives in an epoch of its own, and passes by what the others sent.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sender = Sender(connection, Topics(connection, partitions=PARTITIONS, days_kept=1))
        self.open: set[Patient] = set()
        self._heard: list[Received] = []

    def begin(self) -> None:
        """Begin a test: what was heard before is not for it."""
        self.open.clear()
        self._heard.clear()

    def join(self, each: "Patient") -> None:
        self.open.add(each)
        each.told(self._heard)

    async def run(self, stop: asyncio.Event) -> None:
        topics = frozenset(map(self.connection.topic, TOPICS))
        hearing = Direct(self.connection, "ears", ThreadPoolExecutor(1), enable_auto_commit=False)
        await self.sender.send([Record(topic, 0, b"", None, []) for topic in TOPICS])
        while not stop.is_set():
            records = await hearing.receive(topics, wait_s=0.1)
            self._heard += records
            for each in self.open:
                each.told(records)
        await hearing.close()


class Patient(KafkaTransport):
    """Before it says that there is nothing more, it has everything relayed and waits until the topics have brought it."""

    def __init__(self, database: Database, ears: Ears, relay: Relay) -> None:
        super().__init__(database, ears.connection, WallClock())
        self._relay = relay
        self._wakes: set[asyncio.Event] = set()
        self.found: list[tuple[str, int]] = []
        self._ears = ears

    def join(self, groups: Mapping[str, Sequence[str]]) -> None:
        super().join(groups)
        self._ears.join(self)

    def told(self, records: Sequence[Received]) -> None:
        for group in self._groups:
            self._take(group, records)
        for wake in self._wakes:
            wake.set()

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        self._wakes.add(wake)
        await stop.wait()

    async def news(self, tx: Tx, groups: Sequence[str], *, now: datetime, whole: bool) -> list[Share]:
        if whole:
            await self._relay.drain()
            await self._await_all()
        return await super().news(tx, groups, now=now, whole=whole)

    async def find_in(self, tx: Tx, share: Share, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
        told = self._hints.after(share.partition, cursors, rows_max=rows_max)
        found = await super().find_in(tx, share, cursors, rows_max=rows_max)
        self.found.append(("broker" if told and told == found else "log", len(found)))
        return found

    async def _await_all(self) -> None:
        async with self._database.transaction(actor="test") as tx:
            heads = [tuple(row) for row in await store.heads(tx)]
            epoch = await store.epoch(tx)
            topics = await store_topics(tx, self._groups)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not all(
                    (epoch, partition, topic, position) in self._hints._refs
                    for topic, partition, position in heads
                    if topic in topics
                ):
                    await asyncio.sleep(0.005)


async def store_topics(tx: Tx, groups: Sequence[str]) -> set[str]:
    rows = await tx.fetch(
        """select distinct h.topic from platform.log_groups g join platform.log_heads h on h.topic like g.pattern
            where g.group_name = any ($1)""",
        list(groups),
    )
    return {row["topic"] for row in rows}


@dataclass
class KafkaWorld(World):
    """Every consumer has a transport of its own."""

    ears: Ears = field(kw_only=True)
    relay: Relay = field(kw_only=True)

    def consumer(self, *reactions: Reaction, starts: dict[str, Start] | None = None, **settings: Any) -> Consumer_:
        self.transport = Patient(self.database, self.ears, self.relay)
        return super().consumer(*reactions, starts=starts, **settings)


@asynccontextmanager
async def kafka_world(database: Database, admin: Any, ears: Ears) -> AsyncIterator[KafkaWorld]:
    await admin.execute("update platform.log_epoch set epoch = $1", next(_numbers))
    relay = Relay(database, ears.sender, WallClock())
    world = KafkaWorld(database, admin, KafkaTransport(database, ears.connection, WallClock()), ears=ears, relay=relay)
    stop = asyncio.Event()
    relaying = asyncio.create_task(relay.run(stop))
    try:
        yield world
    finally:
        stop.set()
        ears.begin()
        await relaying


def everything(connection: Connection, topic: str) -> list[tuple[int, int, bytes | None]]:
    """Read a whole topic: (partition, position, value) as they lie there."""
    name = connection.topic(topic)
    consumer = Consumer(connection.client(group_id="reader", enable_auto_commit=False, enable_partition_eof=True))
    partitions = len(consumer.list_topics(name, timeout=10).topics[name].partitions)
    consumer.assign([TopicPartition(name, n, OFFSET_BEGINNING) for n in range(partitions)])
    found, ended = [], set()
    try:
        while len(ended) < partitions:
            message = consumer.poll(10)
            assert message is not None, "the broker says nothing"
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended.add(message.partition())
                continue
            headers = dict(message.headers() or [])
            found.append((message.partition(), int(headers[POSITION]), message.value()))
    finally:
        consumer.close()
    return found


def first_times(records: Sequence[tuple[int, int, bytes | None]]) -> dict[int, list[int]]:
    """Return the positions of each partition as a reader sees them who passes by what it has seen."""
    seen: dict[int, list[int]] = defaultdict(list)
    for partition, position, _ in records:
        if position not in seen[partition]:
            seen[partition].append(position)
    return dict(seen)


def delete(connection: Connection, topic: str) -> None:
    client = AdminClient(connection.client())
    for future in client.delete_topics([connection.topic(topic)]).values():
        future.result(10)
