"""Readings as most are sent, read quickly: `msgspec` and a few looks instead of a parser in Python and pydantic.

Whatever is not exactly what `wire` would take is not read here (None), and `wire` says what of it is wrong. So this may be
narrower than `wire` wherever that is simpler, and never wider: `tests/unit/usage/test_quick.py` holds the two together.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from guilder.domain.usage.model import Intake, SentReading
from guilder.domain.usage.rules.exact import VALUE_END, number
from guilder.domain.usage.rules.intake import (
    EVENT_ID_MAX,
    PROPERTIES_MAX,
    PROPERTY_NAME_MAX,
    PROPERTY_VALUE_MAX,
)
from guilder.domain.usage.schemas.wire import EVENTS_MAX
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from guilder.platform.http.plainly import is_plain

# `\Z`: what ends a line is no part of an id, and Python's `$` would let one by.
_EventId = Annotated[str, Meta(min_length=1, max_length=EVENT_ID_MAX, pattern=r"^[!-.0-~]+\Z")]
_Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")]
_Whole = Annotated[int, Meta(gt=-int(VALUE_END), lt=int(VALUE_END))]
_Name = Annotated[str, Meta(min_length=1, max_length=PROPERTY_NAME_MAX)]
_Property = Annotated[str, Meta(max_length=PROPERTY_VALUE_MAX)] | _Whole | bool
_Properties = Annotated[dict[_Name, _Property], Meta(max_length=PROPERTIES_MAX)]
_Organization = Annotated[str, Meta(min_length=1, max_length=255)]
_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z\Z"
_ONE = Decimal(1)


class _Event(Struct, forbid_unknown_fields=True, gc=False):
    event_id: _EventId
    meter: _Code
    organization_id: _Organization | UnsetType = UNSET
    customer_id: str | UnsetType = UNSET
    timestamp: Annotated[str, Meta(pattern=_UTC)] | UnsetType = UNSET
    value: _Whole | str | UnsetType = UNSET
    properties: _Properties | UnsetType = UNSET
    subscription_id: str | UnsetType = UNSET


class _Events(Struct, forbid_unknown_fields=True, gc=False):
    events: Annotated[list[_Event], Meta(min_length=1, max_length=EVENTS_MAX)]


class _Odd(Exception):
    """Not one of the plain ones."""


_one = msgspec.json.Decoder(_Event)
_many = msgspec.json.Decoder(_Events)
_encoder = msgspec.json.Encoder()
_IS_MANY = re.compile(rb'\s*\{\s*"events"')
_QUOTE = b'"'


def read(body: bytes) -> list[SentReading] | None:
    """Return the readings of a body; None if it is to be read in full."""
    sent: _Event | _Events
    try:
        if _IS_MANY.match(body):
            sent = _many.decode(body)
            readings = [_reading(each, f"events[{place}]") for place, each in enumerate(sent.events)]
        else:
            sent = _one.decode(body)
            readings = [_reading(sent, "")]
    except (msgspec.DecodeError, UnicodeDecodeError, _Odd, ValueError):
        return None
    # Written again it has as many strings as were read.
    return readings if is_plain(body, strings=_encoder.encode(sent).count(_QUOTE) // 2) else None


def answer(readings: Sequence[SentReading], outcomes: Sequence[Intake]) -> bytes:
    """Write what became of readings, byte for byte as `wire.intake_to_wire` in its envelope is written."""
    return _encoder.encode(
        {
            "status": "success",
            "data": {
                "counted": outcomes.count(Intake.COUNTED),
                "duplicates": outcomes.count(Intake.DUPLICATE),
                "events": [
                    {"event_id": each.event_id, "status": outcome}
                    for each, outcome in zip(readings, outcomes, strict=True)
                ],
            },
        }
    )


def _reading(sent: _Event, path: str) -> SentReading:
    customer_id: CustomerId | None = None
    organization_id: str | None = None
    if sent.organization_id is UNSET:
        customer_id = CustomerId(_id("cus", sent.customer_id))
    elif sent.customer_id is not UNSET:
        raise _Odd
    else:
        organization_id = sent.organization_id
    told, at, given, named = sent.properties, sent.timestamp, sent.value, sent.subscription_id
    return SentReading(
        path=path,
        event_id=sent.event_id,
        meter=sent.meter,
        organization_id=organization_id,
        customer_id=customer_id,
        at=None if at is UNSET else datetime.fromisoformat(at),
        value=None if given is UNSET else _value(given),
        properties={} if told is UNSET else _properties(told),
        subscription_id=None if named is UNSET else _id("sub", named),
    )


def _id(prefix: str, text: str | UnsetType) -> UUID:
    found = None if text is UNSET else ids.from_text(prefix, text)
    if found is None:
        raise _Odd
    return found


def _value(given: int | str) -> Decimal:
    if given == 1:
        return _ONE
    found = Decimal(given) if isinstance(given, int) else number(given)
    if found is None:
        raise _Odd
    return found


def _properties(told: dict[str, str | int | bool]) -> dict[str, str]:
    """Return properties as text."""
    return {name: value if isinstance(value, str) else str(value).lower() for name, value in told.items()}
