"""What HTTP says and hears of usage."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from guilder.domain.usage.model import (
    Alert,
    AlertWindow,
    Amendment,
    Correction,
    EventStatus,
    Intake,
    MeterTotal,
    SentReading,
    UsageEvent,
)
from guilder.domain.usage.rules.exact import NUMBER_PATTERN, VALUE_END, number, tidy
from guilder.domain.usage.rules.intake import (
    EVENT_ID_MAX,
    PROPERTIES_MAX,
    PROPERTY_NAME_MAX,
    PROPERTY_VALUE_MAX,
    at_path,
)
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import Code, IdOf, In, Instant, Out, Shape

EVENTS_MAX = 1_000
PROPERTY_END = 10**39  # as many digits as the edge reads


class CustomerNamedWrongly(Invalid):
    """A customer is named by `organization_id` or by `customer_id`: by one of them."""

    code = "customer_required"


class OneOrMany(Invalid):
    """Send one event, or `events` and nothing beside them."""

    code = "one_or_many"


class Required(Invalid):
    """This is needed."""

    code = "required"


def _value(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < VALUE_END:
        return Decimal(value)
    found = number(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError(
            "bad_decimal",
            'should be a whole number, or text such as "0.0125": up to 18 digits before the point and 12 after',
        )
    return found


def _property(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    # A fraction in JSON is a binary float to most readers: written as text it stays what it is.
    raise PydanticCustomError("bad_property", 'should be text, a whole number or a boolean; fractions as text: "0.5"')


def _named(value: dict[str, str]) -> dict[str, str]:
    if len(value) > PROPERTIES_MAX:
        raise PydanticCustomError(
            "too_many_properties", "should have at most {max} properties", {"max": PROPERTIES_MAX}
        )
    return value


def _plain(value: Decimal) -> str:
    return f"{tidy(value):f}"


CustomerRef = Annotated[CustomerId, IdOf("cus")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]
CorrectionRef = Annotated[UUID, IdOf("ucr")]
AlertRef = Annotated[UUID, IdOf("alr")]
EventId = Annotated[
    str, Shape(r"[!-.0-~]+", "letters, digits and signs without blanks and slashes", min=1, max=EVENT_ID_MAX)
]
OrganizationId = Annotated[str, Field(strict=True, min_length=1, max_length=255)]
Exactly = Annotated[
    Decimal,
    BeforeValidator(_value),
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": NUMBER_PATTERN},
                {"type": "integer", "exclusiveMinimum": -int(VALUE_END), "exclusiveMaximum": int(VALUE_END)},
            ],
            "examples": ["1.5"],
        }
    ),
]
Property = Annotated[
    str,
    Field(strict=True, max_length=PROPERTY_VALUE_MAX),
    BeforeValidator(_property),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": PROPERTY_VALUE_MAX},
                {"type": "integer", "exclusiveMinimum": -PROPERTY_END, "exclusiveMaximum": PROPERTY_END},
                {"type": "boolean"},
            ]
        }
    ),
]
Properties = Annotated[
    dict[Annotated[str, Field(strict=True, min_length=1, max_length=PROPERTY_NAME_MAX)], Property],
    AfterValidator(_named),
    Field(json_schema_extra={"maxProperties": PROPERTIES_MAX}),
]


class _Whose(In):
    organization_id: OrganizationId | None = None
    customer_id: CustomerRef | None = None

    def check_whose(self, path: str = "") -> None:
        if (self.organization_id is None) == (self.customer_id is None):
            raise CustomerNamedWrongly(field=at_path(path, "organization_id"))


class EventIn(_Whose):
    """One reading: counted once by `event_id`, however often it is sent."""

    event_id: EventId
    meter: Code
    timestamp: Annotated[Instant | None, Field(description="By default, now.")] = None
    value: Annotated[Exactly | None, Field(description="By default, 1. Left out where the meter reads a property.")] = (
        None
    )
    properties: Properties = {}
    subscription_id: Annotated[
        SubscriptionRef | None, Field(description="By default, every subscription that charges for the meter.")
    ] = None

    def from_wire(self, path: str = "") -> SentReading:
        self.check_whose(path)
        return SentReading(
            path=path,
            event_id=self.event_id,
            meter=self.meter,
            organization_id=self.organization_id,
            customer_id=self.customer_id,
            at=self.timestamp,
            value=self.value,
            properties=self.properties,
            subscription_id=self.subscription_id,
        )


class UsageIn(EventIn):
    """One event, or `events`: up to 1,000 at once, of which all are taken or, where one cannot be, none."""

    event_id: EventId | None = None  # type: ignore[assignment]  # needed unless there are `events`
    meter: Code | None = None  # type: ignore[assignment]  # as above
    events: Annotated[list[EventIn], Field(min_length=1, max_length=EVENTS_MAX)] | None = None

    def readings(self) -> list[SentReading]:
        if self.events is None:
            for name in ("event_id", "meter"):
                if getattr(self, name) is None:
                    raise Required(f"{name} is needed", field=name)
            return [self.from_wire()]
        # What is said as it is by default is not said: a client made from the document sends every field.
        beside = UsageIn.model_fields.keys() - {"events"}
        if any(getattr(self, name) != UsageIn.model_fields[name].default for name in beside):
            raise OneOrMany(field="events")
        return [each.from_wire(f"events[{number}]") for number, each in enumerate(self.events)]


class AmendIn(In):
    """What the event is to say instead. What is left out stays; properties are replaced whole."""

    value: Exactly | None = None
    properties: Properties | None = None
    timestamp: Instant | None = None

    def from_wire(self) -> Amendment:
        return Amendment(value=self.value, properties=self.properties, at=self.timestamp)


class TakenOut(Out):
    event_id: str
    status: Intake


class IntakeOut(Out):
    """What became of each event, in the order in which they were sent."""

    counted: int
    duplicates: int
    events: list[TakenOut]


class ContentOut(Out):
    timestamp: datetime
    value: Exactly
    properties: dict[str, str]
    status: EventStatus


class CorrectionOut(Out):
    id: CorrectionRef
    old: ContentOut
    new: ContentOut
    corrected_by: str
    corrected_at: datetime


class EventOut(Out):
    event_id: str
    customer_id: CustomerRef
    meter: str
    timestamp: datetime
    value: Exactly
    properties: dict[str, str]
    subscription_id: SubscriptionRef | None
    status: EventStatus
    received_at: datetime


class EventWithPastOut(EventOut):
    corrections: list[CorrectionOut]


class MeterUseOut(Out):
    meter: str
    name: str
    aggregation: str
    quantity: Exactly
    events: int


class CurrentOut(Out):
    """What was used in the present calendar month, where the customer is."""

    customer_id: CustomerRef
    organization_id: str
    meters: list[MeterUseOut]


class AlertIn(_Whose):
    meter: Code
    threshold: Exactly
    window: AlertWindow = AlertWindow.MONTH
    recurring: Annotated[bool, Field(description="Once in every month, and not only once.")] = False
    starts_at: Annotated[
        Instant | None,
        Field(alias="from", description="What was used before does not count; by default the month's start, or now."),
    ] = None


class AlertOut(Out):
    id: AlertRef
    customer_id: CustomerRef
    meter: str
    threshold: Exactly
    window: Literal["month", "total"]
    recurring: bool
    starts_at: Annotated[datetime, Field(serialization_alias="from")]
    created_at: datetime


def intake_to_wire(readings: Sequence[SentReading], outcomes: Sequence[Intake]) -> IntakeOut:
    return IntakeOut(
        counted=outcomes.count(Intake.COUNTED),
        duplicates=outcomes.count(Intake.DUPLICATE),
        events=[
            TakenOut(event_id=each.event_id, status=outcome) for each, outcome in zip(readings, outcomes, strict=True)
        ],
    )


def event_to_wire(event: UsageEvent) -> EventOut:
    return EventOut(
        event_id=event.event_id,
        customer_id=event.customer_id,
        meter=event.meter_code,
        timestamp=event.at,
        value=event.value,
        properties=dict(event.properties),
        subscription_id=event.subscription_id,
        status=event.status,
        received_at=event.received_at,
    )


def event_with_past(event: UsageEvent, corrections: Sequence[Correction]) -> EventWithPastOut:
    past = [correction_to_wire(each) for each in corrections]
    return EventWithPastOut(**event_to_wire(event).__dict__, corrections=past)


def correction_to_wire(correction: Correction) -> CorrectionOut:
    old, new = (
        ContentOut(timestamp=each.at, value=each.value, properties=dict(each.properties), status=each.status)
        for each in (correction.old, correction.new)
    )
    return CorrectionOut(
        id=correction.id,
        old=old,
        new=new,
        corrected_by=correction.corrected_by,
        corrected_at=correction.corrected_at,
    )


def use_to_wire(total: MeterTotal) -> MeterUseOut:
    return MeterUseOut(
        meter=total.meter.code,
        name=total.meter.name,
        aggregation=total.meter.aggregation.value,
        quantity=total.quantity,
        events=total.events,
    )


def alert_to_wire(alert: Alert) -> AlertOut:
    return AlertOut(
        id=alert.id,
        customer_id=alert.customer_id,
        meter=alert.meter_code,
        threshold=alert.threshold,
        window=alert.window.value,
        recurring=alert.is_recurring,
        starts_at=alert.starts_at,
        created_at=alert.created_at,
    )
