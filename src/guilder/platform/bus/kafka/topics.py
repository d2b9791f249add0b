"""The topics: made when the first row for one comes along, with as many partitions as the log has."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from guilder.platform.bus.kafka.connection import Connection

REPLICAS_MAX = 3
ANSWER_S = 5.0
_DAY_MS = 86_400_000


class BrokerAway(Exception):
    """The brokers did not do it: they cannot be reached, or they refuse. Says why."""


class Topics:
    """Knows which topics there are. Blocks: called from threads."""

    def __init__(self, connection: Connection, *, partitions: int, days_kept: int) -> None:
        self._connection = connection
        self._partitions = partitions
        self._days_kept = days_kept
        self._known: set[str] = set()
        self._client: AdminClient | None = None

    def ensure(self, names: Iterable[str]) -> None:
        """Make those of the log's topics that are not there yet. One with too few partitions gets more.

        :raises BrokerAway: for now
        """
        wanted = {self._connection.topic(name) for name in names} - self._known
        if not wanted:
            return
        try:
            there = self._admin().list_topics(timeout=ANSWER_S)
            small = [
                NewPartitions(name, self._partitions)
                for name in wanted & there.topics.keys()
                if 0 < len(there.topics[name].partitions) < self._partitions
            ]
            missing = [self._new(name, replicas=len(there.brokers)) for name in sorted(wanted - there.topics.keys())]
            if missing:
                _await(self._admin().create_topics(missing, request_timeout=ANSWER_S))
            if small:
                _await(self._admin().create_partitions(small, request_timeout=ANSWER_S))
        except KafkaException as error:
            raise BrokerAway(error.args[0].str()) from error
        self._known |= wanted

    def forget(self) -> None:
        """Look again: one may have been deleted."""
        self._known.clear()

    def _new(self, name: str, *, replicas: int) -> NewTopic:
        return NewTopic(
            name,
            num_partitions=self._partitions,
            replication_factor=max(1, min(REPLICAS_MAX, replicas)),
            config={"cleanup.policy": "delete", "retention.ms": str(self._days_kept * _DAY_MS)},
        )

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(self._connection.client())
        return self._client


def _await(asked: dict[str, "Future[Any]"]) -> None:
    for future in asked.values():
        try:
            future.result(ANSWER_S)
        except KafkaException as error:
            # Another relay was first.
            if error.args[0].code() not in {KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS}:
                raise
