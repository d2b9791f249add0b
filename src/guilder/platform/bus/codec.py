"""How an event is written down: JSON, and CloudEvents 1.0 for whoever reads it outside.

Money is {"minor": 100, "currency": "EUR"}, ids and instants are text, exact decimals are text. Fields that a newer
version added are passed over when they are read; a field that it removed must have had a default.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import msgspec

from guilder.kernel.event import Event

T = TypeVar("T", bound=Event)

PAYLOAD_MAX_BYTES = 1_048_576
_encoder = msgspec.json.Encoder()


class EventTooLarge(ValueError):
    """An event is made of ids and values; a document belongs in the blob store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """An event whose type this process does not know: a newer release announced it. Only who hears all gets these."""

    name: ClassVar[str] = "bus.unknown"
    topic: ClassVar[str] = "bus.unknown"
    key: ClassVar[str] = "tenant_id"

    event_name: str
    event_version: int
    body: dict[str, Any]


def encode(event: Event) -> bytes:
    """Write an event as JSON.

    :raises EventTooLarge: it is more than PAYLOAD_MAX_BYTES
    """
    payload = _encoder.encode(event)
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise EventTooLarge(f"{event.name} takes {len(payload)} bytes; {PAYLOAD_MAX_BYTES} are allowed")
    return payload


def decode(kind: type[T], payload: bytes | str) -> T:
    """Read an event of this type.

    :raises msgspec.ValidationError: it is not one
    """
    event: T = _decoder(kind).decode(payload)  # type: ignore[arg-type]  # (a type is hashable)
    return event


def decode_body(payload: bytes | str) -> dict[str, Any]:
    """Read an event whose type nobody here knows."""
    return msgspec.json.decode(payload, type=dict[str, Any])


def json_schema(kind: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an event's payload."""
    return msgspec.json.schema(kind)


def to_cloudevent(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write a row of the log (payload as JSON text or as read) as a CloudEvent in JSON format, ready to be serialized."""
    payload = row["payload"]
    optional = {"requestid": row["request_id"], "traceparent": row["traceparent"]}
    return {
        "specversion": "1.0",
        "id": str(row["event_id"]),
        "source": f"/guilder/{row['name'].partition('.')[0]}",
        "type": row["name"],
        "subject": str(row["key"]),
        "time": row["occurred_at"].isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": f"/events/{row['name']}/v{row['version']}.json",
        "tenant": str(row["tenant_id"]),
        "partitionkey": str(row["key"]),
        "position": str(row["position"]),  # text: an integer of CloudEvents has 32 bits
        "actor": row["actor"],
        "data": msgspec.json.decode(payload) if isinstance(payload, (str, bytes)) else payload,
        **{name: value for name, value in optional.items() if value},
    }


def partition_of(key: UUID, partitions: int) -> int:
    """Return the partition of a key, as platform.log_partition does; the same for ever."""
    return int.from_bytes(hashlib.sha256(key.bytes).digest()[:4], "big") % partitions


def known_types() -> dict[str, type[Event]]:
    """Return every event type that this process has imported, by name: for who hears everything."""
    found: dict[str, type[Event]] = {}
    waiting: list[type[Event]] = [Event]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            # `slots=True` makes a class anew and leaves the first one about for a while: the later one is meant.
            if isinstance(getattr(kind, "name", None), str) and kind.__dict__.get("__slots__") is not None:
                found[kind.name] = kind
    return found


@lru_cache(maxsize=1_024)
def _decoder(kind: type[Event]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
