"""A row of the log as a record of a topic, and what a record says of where its row lies.

The value is the event as everybody outside gets it: CloudEvents 1.0 in JSON. The headers are for whoever knows the log.
"""

from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from guilder.kernel.ids import TenantId
from guilder.platform.bus import store
from guilder.platform.bus.codec import to_cloudevent
from guilder.platform.bus.store import Ref
from guilder.platform.db.tx import Row

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
EPOCH = "guilder-epoch"
POSITION = "guilder-position"
REF = "guilder-ref"
OMITTED = "guilder-omitted"
# Below what client and broker take as they are delivered, a million bytes with key and headers: what they refuse would be
# refused for ever, and nothing behind it ever leave. What is larger goes without its value.
VALUE_MAX = 900_000

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """What is handed to a producer. `topic` is the log's name for it."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers


class Received(NamedTuple):
    """What a consumer was given. `topic` is what it is called on the brokers."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers


class Hint(NamedTuple):
    """That a row can be read, and where. Believed only as far as the log bears it out."""

    epoch: int
    partition: int
    ref: Ref


def to_record(row: Row, ref: Ref, *, epoch: int) -> Record:
    headers: Headers = [
        ("content-type", CONTENT_TYPE),
        (EPOCH, str(epoch).encode()),
        (POSITION, str(ref.position).encode()),
        (REF, f"{ref.tenant_id}/{ref.day.isoformat()}/{ref.id}".encode()),
    ]
    value, why = _value(row)
    if why:
        headers.append((OMITTED, why))
    return Record(row["topic"], row["partition"], str(row["key"]).encode(), value, headers)


def to_hint(topic: str, partition: int, headers: Headers) -> Hint | None:
    """Read the headers of a record; None if nobody who knows the log has written them."""
    said = dict(headers)
    try:
        tenant, day, id_ = said[REF].decode().split("/")
        position = int(said[POSITION])
        ref = Ref(topic, position, TenantId(UUID(tenant)), date.fromisoformat(day), int(id_))
        return Hint(int(said[EPOCH]), partition, ref)
    except (KeyError, ValueError):
        return None


def _value(row: Row) -> tuple[bytes | None, bytes]:
    if row["topic"] in store.PRIVATE_TOPICS:
        return None, b"private"
    event: dict[str, Any] = to_cloudevent(dict(row))
    value = msgspec.json.encode(event)
    return (value, b"") if len(value) <= VALUE_MAX else (None, b"too-large")
