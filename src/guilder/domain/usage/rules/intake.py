"""What a reading must be to be counted, and what it counts for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from guilder.domain.catalog.model import Aggregation, Meter
from guilder.domain.usage.model import Amendment, Content, EventStatus, NewEvent
from guilder.domain.usage.rules.exact import fitted, number, tidy
from guilder.kernel.errors import Conflict, Invalid

FUTURE_MAX = timedelta(hours=1)
PAST_MAX = timedelta(days=400)
EVENT_ID_MAX = 255
PROPERTIES_MAX = 20
PROPERTY_NAME_MAX = 40
PROPERTY_VALUE_MAX = 200
# Aggregations that work on a number; with a property, it is the property's.
WEIGHING = frozenset({Aggregation.SUM, Aggregation.MAX, Aggregation.LATEST, Aggregation.WEIGHTED_SUM})
# Where an event is read by its id, these two names stand for something else.
RESERVED = frozenset({"alerts", "current"})


class BadEventId(Invalid):
    """An event needs an id of its own, of one line with 1 to 255 characters, and other than "alerts" and "current"."""

    code = "bad_event_id"


class TimestampOutOfRange(Invalid):
    """An event is dated at most one hour in the future and 400 days in the past."""

    code = "timestamp_out_of_range"


class BadValue(Invalid):
    """A value is an exact number with up to 18 digits before the point and 12 after it."""

    code = "bad_usage_value"


class BadProperty(Invalid):
    """A property is missing, too long, or not the number that its meter measures."""

    code = "bad_usage_property"


class EventIsCanceled(Conflict):
    """The event was canceled; send what was used under another id."""

    code = "event_canceled"


class Dates(NamedTuple):
    """Between which instants an event may be dated, both included: worked out once for all that come at `now`."""

    now: datetime
    earliest: datetime
    latest: datetime

    @classmethod
    def at(cls, now: datetime) -> "Dates":
        return cls(now, now - PAST_MAX, now + FUTURE_MAX)


def checked(event: NewEvent, *, path: str = "", dates: Dates) -> NewEvent:
    """Return the event with what it counts for as its value.

    :raises Invalid: it cannot be counted; `field` names what is wrong, under `path`
    """
    check(event.event_id, event.at, event.properties, path=path, dates=dates)
    value = measured(event.meter, event.value, event.properties, path=path)
    return replace(event, value=value)


def check(event_id: str, at: datetime, properties: Mapping[str, str], *, path: str = "", dates: Dates) -> None:
    """Refuse what no event may say, whatever its meter.

    :raises Invalid: `field` names what is wrong, under `path`
    """
    if not 1 <= len(event_id) <= EVENT_ID_MAX or event_id in RESERVED or "\n" in event_id:
        raise BadEventId(field=at_path(path, "event_id"))
    check_date(at, path=path, dates=dates)
    check_size(properties, path=path)


def check_date(at: datetime, *, path: str = "", dates: Dates) -> None:
    if not dates.earliest <= at <= dates.latest:
        raise TimestampOutOfRange(field=at_path(path, "timestamp"))


def check_size(properties: Mapping[str, str], *, path: str = "") -> None:
    if len(properties) > PROPERTIES_MAX:
        raise BadProperty(f"an event has at most {PROPERTIES_MAX} properties", field=at_path(path, "properties"))
    for name, value in properties.items():
        if not 1 <= len(name) <= PROPERTY_NAME_MAX:
            detail = f"the name of a property has 1 to {PROPERTY_NAME_MAX} characters"
            raise BadProperty(detail, field=at_path(path, "properties"))
        if len(value) > PROPERTY_VALUE_MAX:
            detail = f"a property has at most {PROPERTY_VALUE_MAX} characters"
            raise BadProperty(detail, field=at_path(path, f"properties.{name}"))


def reads_property(meter: Meter) -> bool:
    """Say whether the value of an event is a property's number."""
    return bool(meter.property) and meter.aggregation in WEIGHING


def measured(meter: Meter, value: Decimal, properties: Mapping[str, str], *, path: str = "") -> Decimal:
    """Return what an event counts for by its meter.

    :raises BadProperty: the property that the meter reads is missing, or is no exact number
    :raises BadValue: the value is too large or too fine
    """
    if meter.property and meter.aggregation is Aggregation.UNIQUE_COUNT and not properties.get(meter.property):
        detail = f"the meter {meter.code} counts the different values of {meter.property}: it is needed"
        raise BadProperty(detail, field=at_path(path, f"properties.{meter.property}"))
    if reads_property(meter):
        found = number(properties.get(meter.property, ""))
        if found is None:
            detail = f'the meter {meter.code} measures {meter.property}: it should be an exact number such as "1.5"'
            raise BadProperty(detail, field=at_path(path, f"properties.{meter.property}"))
        return tidy(found)
    found = fitted(value)
    if found is None:
        raise BadValue(field=at_path(path, "value"))
    return found


def amended(content: Content, meter: Meter, amendment: Amendment, *, now: datetime) -> Content:
    """Return what an event says after an amendment.

    :raises EventIsCanceled: it does not count any more
    :raises Invalid: what it would say cannot be counted
    """
    if content.status is EventStatus.CANCELED:
        raise EventIsCanceled
    if amendment.value is not None:
        check_given(meter, amendment.value)
    if amendment.at is not None and amendment.at != content.at:
        check_date(amendment.at, dates=Dates.at(now))
    properties = content.properties if amendment.properties is None else amendment.properties
    check_size(properties)
    value = content.value if amendment.value is None else amendment.value
    return Content(
        at=amendment.at or content.at,
        value=measured(meter, value, properties),
        properties=properties,
        status=content.status,
    )


def check_given(meter: Meter, value: Decimal | None, *, path: str = "") -> None:
    """Refuse a value beside the property that is measured: one of the two would silently not count.

    :raises BadValue: the meter reads a property
    """
    if value is not None and reads_property(meter):
        detail = f"the meter {meter.code} measures the property {meter.property}: give it there"
        raise BadValue(detail, field=at_path(path, "value"))


def at_path(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
