"""Hearing: a member of one consumer group."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from guilder.platform import metrics
from guilder.platform.bus.kafka.connection import Connection, complain
from guilder.platform.bus.kafka.record import Received

RECORDS_MAX = 500
WAIT_S = 0.5
SESSION_S = 10
REFRESH_S = 5
AGAIN_S = 1.0


class Hearing:
    """A member of one consumer group. It works in `threads`, never in two at a time."""

    def __init__(self, connection: Connection, group: str, threads: ThreadPoolExecutor, **more: Any) -> None:
        self._connection = connection
        self._group = group
        self._threads = threads
        self._more = more
        self._consumer: Consumer | None = None
        self._subscribed: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    async def receive(self, topics: frozenset[str], *, wait_s: float = WAIT_S) -> list[Received]:
        """Wait for records of these topics (names on the brokers, or one pattern that begins with ^); errors are counted."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._receive, topics, wait_s)

    async def commit(self, messages: Sequence[Received]) -> None:
        """Say that everything up to these has been dealt with; where the partition has moved on, nothing is said."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._commit, messages)

    async def close(self) -> None:
        """Leave the group, so that others have the partitions at once."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._close)

    def _receive(self, topics: frozenset[str], wait_s: float) -> list[Received]:
        with self._lock:
            consumer = self._opened()
            if topics != self._subscribed:
                self._subscribe(consumer, topics)
                self._subscribed = topics
            message = consumer.poll(wait_s)
            found = [message] if message is not None else []
            if found:
                # What was polled is ours by now: to fail of what is behind it would be to pass it by.
                with suppress(KafkaException):
                    found += consumer.consume(RECORDS_MAX - 1, 0)
        return [self._received(each) for each in found if not self._is_error(each)]

    def _received(self, message: Message) -> Received:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        headers = [
            (name, _bytes(text)) for name, text in cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
        ]
        return Received(topic, partition, offset, _bytes(message.key()), message.value(), headers)

    def _subscribe(self, consumer: Consumer, topics: frozenset[str]) -> None:
        consumer.subscribe(
            sorted(topics),
            on_assign=self._noted("assigned"),
            on_revoke=self._noted("revoked"),
            on_lost=self._noted("lost"),
        )

    def _close(self) -> None:
        with self._lock:
            if self._consumer is not None:
                consumer, self._consumer = self._consumer, None
                consumer.close()

    def _noted(self, what: str) -> Callable[[Consumer, list[TopicPartition]], None]:
        def note(_: Consumer, __: list[TopicPartition]) -> None:
            metrics.consumer_rebalanced(group=self._group, what=what)

        return note

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        metrics.broker_failed(kind=error.name())
        complain("hearing_failed", error.str())
        return True

    def _commit(self, messages: Sequence[Received]) -> None:
        last = {(each.topic, each.partition): each.offset + 1 for each in messages}
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in last.items()]
        with self._lock:
            try:
                self._opened().commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                complain("offsets_not_committed", error.args[0].str())

    def _opened(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                self._connection.client(
                    group_id=self._connection.group(self._group),
                    auto_offset_reset="earliest",
                    # By range a member has the same partitions of every topic: a customer's work stays together.
                    partition_assignment_strategy="range",
                    session_timeout_ms=SESSION_S * 1_000,
                    topic_metadata_refresh_interval_ms=REFRESH_S * 1_000,
                    queued_max_messages_kbytes=4_096,
                    **self._more,
                )
            )
            self._subscribed = frozenset()
        return self._consumer


def _bytes(said: str | bytes | None) -> bytes:
    return said.encode() if isinstance(said, str) else said or b""
