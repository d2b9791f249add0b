"""The same two ways over Kafka: charges out to this tenant's topic, events in from the topics of Guilder's log.

Whoever shares Guilder's brokers need not call its API for either. It still answers questions (who is blocked), and is where
this product begins from. The cursor is in our own database here too, and not in a consumer group: Kafka brings a record
twice after a crash, and what was done must be known where it was done.
"""

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from .following import begin, how_they_stand
from .guilder import Away, Guilder
from .state import State

READER = "kafka"
HEARD = ("charges.results", "entitlements.events")
ASKED = "charges.requests"  # of tenant `acme`: charges.requests.acme
REFUSED = "charges.refused"  # what the intake could not take, with the reason in a header
REASON, EPOCH, POSITION = "guilder-reason", "guilder-epoch", "guilder-position"
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
DELIVERY_S = 20
ANSWER_S = 10.0
RECORDS_MAX = 500
WAIT_S = 1.0
LOOK_AGAIN_S = 5.0
# For each topic/partition: where to read on, and the epoch and position of the last row of Guilder's log.
Cursor = dict[str, list[int]]


class KafkaCharges:
    """Publishes charges; they count as sent when all replicas in sync have them."""

    def __init__(self, servers: str, *, tenant: str, prefix: str = "") -> None:
        self._topic = f"{prefix}{ASKED}.{tenant}"
        self._settings = {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "delivery.timeout.ms": DELIVERY_S * 1_000,
            "log_level": 0,
        }

    def ask_charges(self, events: Sequence[dict[str, Any]]) -> list[str | None]:
        """Publish charges, a customer's in their order. Their ids are heard with what becomes of them.

        :raises Away: not all of them are known to be there; they are published again, and taken once
        """
        producer, failed = Producer(self._settings), []
        for event in events:
            producer.produce(
                self._topic,
                key=event["data"]["customer"],
                value=json.dumps(event),
                headers={"content-type": "application/cloudevents+json"},
                on_delivery=lambda error, _: failed.append(error.str()) if error else None,
            )
        left = producer.flush(DELIVERY_S + 5)
        if failed or left:
            raise Away(f"{self._topic}: {failed[0] if failed else 'no answer'}")
        return [None] * len(events)


class KafkaEvents:
    """Follows the topics. `tenant` is the tenant's short name; `tenant_id` (`ten_…`) tells its events from those of others."""

    def __init__(
        self,
        state: State,
        guilder: Guilder,
        *,
        source: str,
        servers: str,
        tenant: str,
        tenant_id: str,
        prefix: str = "",
    ) -> None:
        self._state, self._guilder, self._source, self._tenant_id = state, guilder, source, plain_id(tenant_id)
        self._topics = [f"{prefix}{name}" for name in (*HEARD, f"{REFUSED}.{tenant}")]
        # No group speaks for us, and nothing is committed there: the name is only demanded.
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": f"{source}.{tenant}",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "log_level": 0,
            }
        )
        self._assigned: set[str] = set()
        self._there: set[str] = set()
        self._looked_at = -LOOK_AGAIN_S

    def next(self) -> bool:
        before = self._state.cursor(READER)
        try:
            there = self._partitions()
            if before is None:
                return self._begin(None, there)
            cursor: Cursor = json.loads(before)
            self._assign(cursor, there)
            messages = self._consumer.consume(RECORDS_MAX, WAIT_S)
        except KafkaException as error:
            raise Away(error.args[0].str()) from error
        if any(trouble.code() == KafkaError._AUTO_OFFSET_RESET for each in messages if (trouble := each.error())):  # noqa: SLF001
            # The topics forgot what we had not read, or are others. Their history is not ours any more.
            return self._begin(before, there)
        fresh = [each for each in messages if not each.error()]
        if any(_epoch(each) > cursor.get(_place(each), [0, 0, 0])[1] > 0 for each in fresh):
            return self._begin(before, there)  # Guilder's database was restored
        events = [event for each in fresh if (event := self._event(each, cursor))]
        if fresh:
            access = how_they_stand(events, self._guilder)
            try:
                self._state.hear(
                    events, source=self._source, access=access, reader=READER, before=before, after=json.dumps(cursor)
                )
            except BaseException:
                self._assigned.clear()  # they are to be read again
                raise
        return True  # waiting for records is what `consume` does

    def _partitions(self) -> set[str]:
        """Return what there is to read; looked at again every few seconds, for topics are made when they are needed."""
        if time.monotonic() - self._looked_at > LOOK_AGAIN_S:
            found = self._consumer.list_topics(timeout=ANSWER_S).topics
            self._there = {
                f"{name}/{each}" for name in self._topics if name in found for each in found[name].partitions
            }
            self._looked_at = time.monotonic()
        return self._there

    def _begin(self, before: str | None, there: set[str]) -> bool:
        ends = {each: self._consumer.get_watermark_offsets(_named(each), timeout=ANSWER_S)[1] for each in there}
        cursor = json.dumps({each: [offset, 0, 0] for each, offset in ends.items()})
        begin(self._state, self._guilder, source=self._source, reader=READER, before=before, cursor=cursor)
        self._assigned.clear()
        return True

    def _assign(self, cursor: Cursor, there: set[str]) -> None:
        """Read all of them, from where the cursor says; what is new since is read from its beginning."""
        if there != self._assigned:
            self._consumer.assign([_named(each, cursor.get(each, [OFFSET_BEGINNING])[0]) for each in sorted(there)])
            self._assigned = there

    def _event(self, message: Message, cursor: Cursor) -> dict[str, Any] | None:
        """Move the cursor past a record; return its event, unless it is another tenant's, or was here before."""
        place, position = _place(message), int(_header(message, POSITION) or 0)
        _, epoch, reached = cursor.get(place, [0, 0, 0])
        is_again = 0 < position <= reached  # the relay sends again what it is not sure to have sent
        cursor[place] = [int(message.offset() or 0) + 1, max(epoch, _epoch(message)), max(reached, position)]
        value = message.value()
        if is_again or not value:
            return None
        event: dict[str, Any] = json.loads(value)
        if reason := _header(message, REASON):
            return _refusal(event, reason, place=f"{place}/{message.offset()}")
        return event if event["tenant"] == self._tenant_id else None


def plain_id(text: str) -> str:
    """Return an id as events have it, a UUID: `ten_01h455vb4p…` is the same number in 26 letters of Crockford's base 32."""
    if "_" not in text:
        return str(UUID(text))
    number = 0
    for letter in text.partition("_")[2]:
        number = number * 32 + LETTERS.index(letter)
    return str(UUID(int=number))


def _refusal(asked: dict[str, Any], reason: str, *, place: str) -> dict[str, Any]:
    """Write what the intake did not take as the event that a charge's refusal is."""
    data = {"source": asked.get("source"), "source_id": asked.get("id"), "reason": reason}
    return {"id": place, "type": "orders.charge.refused", "data": data}


def _place(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}"


def _named(place: str, offset: int = OFFSET_BEGINNING) -> TopicPartition:
    topic, _, partition = place.rpartition("/")
    return TopicPartition(topic, int(partition), offset)


def _header(message: Message, name: str) -> str:
    headers: Any = message.headers() or []
    return next((value.decode() for key, value in headers if key == name and value), "")


def _epoch(message: Message) -> int:
    return int(_header(message, EPOCH) or 0)
