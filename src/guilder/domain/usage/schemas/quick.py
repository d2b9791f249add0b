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
_Name = Annotated[str, Meta(min_length=1, max_length=PROPERTY_NAME_MAX)]
_Property = Annotated[str, Meta(max_length=PROPERTY_VALUE_MAX)] | int | bool
_Properties = Annotated[dict[_Name, _Property], Meta(max_length=PROPERTIES_MAX)]
_Organization = Annotated[str, Meta(min_length=1, max_length=255)]
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_ONE = Decimal(1)


class _Event(Struct, forbid_unknown_fields=True, gc=False):
    event_id: _EventId | UnsetType = UNSET
    meter: _Code | UnsetType = UNSET
    organization_id: _Organization | UnsetType = UNSET
    customer_id: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    value: int | str | UnsetType = UNSET
    properties: _Properties | UnsetType = UNSET
    subscription_id: str | UnsetType = UNSET


class _Body(_Event, forbid_unknown_fields=True, gc=False):
    events: Annotated[list[_Event], Meta(min_length=1, max_length=EVENTS_MAX)] | UnsetType = UNSET


class _Odd(Exception):
    """Not one of the plain ones."""


_decoder = msgspec.json.Decoder(_Body)
_encoder = msgspec.json.Encoder()


def read(body: bytes) -> list[SentReading] | None:
    """Return the readings of a body; None if it is to be read in full."""
    try:
        sent = _decoder.decode(body)
        if sent.events is UNSET:
            one, strings = _reading(sent, "")
            readings = [one]
        else:
            readings, strings = _many(sent, sent.events)
    except (msgspec.DecodeError, UnicodeDecodeError, _Odd, ValueError):
        return None
    return readings if is_plain(body, strings=strings) else None


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


def _many(sent: _Body, events: Sequence[_Event]) -> tuple[list[SentReading], int]:
    # Beside `events` nothing may stand, not even what says nothing.
    if any(getattr(sent, name) is not UNSET for name in _Event.__struct_fields__):
        raise _Odd
    readings, strings = [], 1
    for place, each in enumerate(events):
        reading, more = _reading(each, f"events[{place}]")
        readings.append(reading)
        strings += more
    return readings, strings


def _reading(sent: _Event, path: str) -> tuple[SentReading, int]:
    """Return a reading, and of how many strings it was made."""
    event_id, meter, organization_id = sent.event_id, sent.meter, sent.organization_id
    if event_id is UNSET or meter is UNSET:
        raise _Odd
    strings = 6  # three names and what they name
    customer_id: CustomerId | None = None
    if organization_id is UNSET:
        customer_id, organization = CustomerId(_id("cus", sent.customer_id)), None
    else:
        organization = organization_id
        if sent.customer_id is not UNSET:
            raise _Odd
    at = subscription_id = None
    value: Decimal | None = None
    if (said := sent.timestamp) is not UNSET:
        at, strings = _instant(said), strings + 2
    if (given := sent.value) is not UNSET:
        value, strings = _value(given), strings + (1 if isinstance(given, int) else 2)
    if sent.subscription_id is not UNSET:
        subscription_id, strings = _id("sub", sent.subscription_id), strings + 2
    properties: dict[str, str] = {}
    if (told := sent.properties) is not UNSET:
        properties, more = _properties(told)
        strings += more
    return (
        SentReading(
            path=path,
            event_id=event_id,
            meter=meter,
            organization_id=organization,
            customer_id=customer_id,
            at=at,
            value=value,
            properties=properties,
            subscription_id=subscription_id,
        ),
        strings,
    )


def _id(prefix: str, text: str | UnsetType) -> UUID:
    found = None if text is UNSET else ids.from_text(prefix, text)
    if found is None:
        raise _Odd
    return found


def _instant(text: str) -> datetime:
    if not _UTC.fullmatch(text):
        raise _Odd
    return datetime.fromisoformat(text)


def _value(given: int | str) -> Decimal:
    if given == 1:
        return _ONE
    if isinstance(given, int):
        if abs(given) >= VALUE_END:
            raise _Odd
        return Decimal(given)
    found = number(given)
    if found is None:
        raise _Odd
    return found


def _properties(told: dict[str, str | int | bool]) -> tuple[dict[str, str], int]:
    """Return properties as text, and of how many strings they were made, their own name among them."""
    strings, properties = 1, {}
    for name, value in told.items():
        if isinstance(value, str):
            properties[name] = value
            strings += 2
            continue
        strings += 1
        if isinstance(value, bool):
            properties[name] = "true" if value else "false"
        elif abs(value) < VALUE_END:
            properties[name] = str(value)
        else:
            raise _Odd
    return properties, strings
