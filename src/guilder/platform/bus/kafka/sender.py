"""The sender: hands records to the brokers and comes back when every one of them is acknowledged."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.record import Record
from guilder.platform.bus.kafka.topics import BrokerAway, Topics

# How long a record may be on its way, with all that librdkafka tries meanwhile.
DELIVERY_S = 20.0
AT_ONCE_MAX = 8
_LOOK_S = 0.05


class Sender:
    """One idempotent producer, acknowledged by all replicas in sync. After a failure it is another one.

    What of the old one is still under way is dropped with it, so that nothing of a batch that failed comes after its
    repetition.
    """

    def __init__(self, connection: Connection, topics: Topics | None, *, delivery_s: float = DELIVERY_S) -> None:
        self._connection = connection
        self._topics = topics
        self._delivery_s = delivery_s
        self._producer: Producer | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="kafka-send")

    async def send(self, records: Sequence[Record]) -> None:
        """Send records, each topic's and partition's in their order.

        :raises BrokerAway: some are not acknowledged; all are to be sent again
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._send, records)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._drop)
        self._threads.shutdown(wait=False)

    def _send(self, records: Sequence[Record]) -> None:
        if self._topics is not None:
            self._topics.ensure({record.topic for record in records})
        producer = self._current()
        answered: list[KafkaError | None] = []

        def done(error: KafkaError | None, message: Message) -> None:
            answered.append(error)

        try:
            for record in records:
                self._hand_over(producer, record, done)
            while len(answered) < len(records):
                producer.poll(_LOOK_S)
        except KafkaException as error:
            self._drop(producer)
            raise BrokerAway(error.args[0].str()) from error
        if failed := [error for error in answered if error is not None]:
            self._drop(producer)
            if self._topics is not None:
                self._topics.forget()
            raise BrokerAway(failed[0].str())

    def _hand_over(
        self, producer: Producer, record: Record, done: Callable[[KafkaError | None, Message], None]
    ) -> None:
        while True:
            try:
                producer.produce(
                    self._connection.topic(record.topic),
                    record.value,
                    record.key,
                    record.partition,
                    headers=list[tuple[str, str | bytes | None]](record.headers),
                    on_delivery=done,
                )
                return
            except BufferError:
                producer.poll(_LOOK_S)

    def _current(self) -> Producer:
        with self._lock:
            if self._producer is None:
                try:
                    self._producer = Producer(self._settings())
                except KafkaException as error:
                    raise BrokerAway(error.args[0].str()) from error
            return self._producer

    def _settings(self) -> dict[str, Any]:
        return self._connection.client(
            enable_idempotence=True,
            # A batch of which a part is lost goes no further: rows would come before those before them.
            enable_gapless_guarantee=True,
            acks="all",
            linger_ms=1,
            compression_type="lz4",
            delivery_timeout_ms=int(self._delivery_s * 1_000),
        )

    def _drop(self, producer: Producer | None = None) -> None:
        """Give the producer up, if it is still this one; whoever waits for what it had hears that it was not delivered."""
        with self._lock:
            old = self._producer
            if old is None or (producer is not None and old is not producer):
                return
            self._producer = None
        old.purge()
        # What is purged in flight breaks the order that the client vouches for: it says so here, as its own end.
        with suppress(KafkaException):
            old.poll(0)
