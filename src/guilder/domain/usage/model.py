"""Readings of what customers use, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from guilder.domain.catalog.model import Meter
from guilder.kernel.ids import CustomerId, Ref, TenantId

# A group's properties and their values, in the order of the charge's `group_by`; one without the property has "".
Group = tuple[tuple[str, str], ...]


class EventStatus(StrEnum):
    COUNTED = "counted"
    CANCELED = "canceled"


class Intake(StrEnum):
    COUNTED = "counted"
    DUPLICATE = "duplicate"  # its id was counted before: nothing changes
    IGNORED = "ignored"  # its customer was erased: taken, and nothing of it is kept


class NewEvent(Struct, frozen=True, kw_only=True):
    """One reading. It is counted once by (tenant, event id), whatever its timestamp and however often it is sent."""

    event_id: str
    customer_id: CustomerId
    meter: Meter
    at: datetime
    value: Decimal = Decimal(1)
    properties: Mapping[str, str] = field(default_factory=dict)
    subscription_id: UUID | None = None  # None: for every subscription of the customer that charges for the meter


class SentReading(Struct, frozen=True, kw_only=True):
    """A reading as its sender wrote it: names instead of nouns. `path` says where it stands in what was sent."""

    path: str
    event_id: str
    meter: str
    organization_id: str | None = None  # this, or the customer's id
    customer_id: CustomerId | None = None
    at: datetime | None = None
    value: Decimal | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    subscription_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What can be corrected of an event."""

    at: datetime
    value: Decimal
    properties: Mapping[str, str]
    status: EventStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What an event is to say instead; None leaves it as it is. Properties are replaced whole."""

    value: Decimal | None = None
    properties: Mapping[str, str] | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """A reading as it counts now. `value` is what it counts for: of a meter with a property, that property's number."""

    tenant_id: TenantId
    event_id: str
    customer_id: CustomerId
    meter_id: UUID
    meter_code: str
    at: datetime
    value: Decimal
    properties: Mapping[str, str]
    subscription_id: UUID | None
    status: EventStatus
    received_at: datetime
    id: UUID  # ours, in the order of arrival; outside, an event is known by its own id

    @property
    def content(self) -> Content:
        return Content(at=self.at, value=self.value, properties=self.properties, status=self.status)


class Question(Struct, frozen=True, kw_only=True):
    """What did a customer use of a meter from `starts_at` up to, not including, `ends_at`?"""

    tenant_id: TenantId
    customer_id: CustomerId
    meter: Meter
    starts_at: datetime
    ends_at: datetime
    subscription_id: UUID | None = None  # whose share of the events: those that name it, and those that name none
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    group_by: tuple[str, ...] = ()
    amount_property: str = ""  # what `Reading.value` adds up; empty: the meter's property


class Reading(Struct, frozen=True, kw_only=True):
    """The answer, one for each group; without `group_by` one with an empty group, also where nothing was used."""

    group: Group
    quantity: Decimal  # by the meter's aggregation
    events: int
    value: Decimal  # the sum of `amount_property`: carried prices, or what a percentage is of


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """From here on, use before `until` is late: it has been billed."""

    tenant_id: TenantId
    customer_id: CustomerId
    until: datetime

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAsked:
    """What of a customer's use came late, after the one with this number?"""

    tenant_id: TenantId
    customer_id: CustomerId
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LateUse:
    """An event, or a correction of one, dated into a period that was closed already. `number` grows."""

    number: int
    meter_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What an event said, and what it says since. Kept for ever; the event itself holds what it says now."""

    tenant_id: TenantId
    id: UUID
    event_id: str
    customer_id: CustomerId
    old: Content
    new: Content
    corrected_by: str
    corrected_at: datetime


class AlertWindow(StrEnum):
    MONTH = "month"  # a calendar month in the customer's time zone
    TOTAL = "total"  # all that is used from the alert's start


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """Tell once when use reaches `threshold`; with `is_recurring` once in each calendar month."""

    customer_id: CustomerId
    meter: Meter
    threshold: Decimal
    window: AlertWindow = AlertWindow.MONTH
    is_recurring: bool = False
    starts_at: datetime | None = None  # None: from the beginning of the present month, or of a total's from now


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    meter_code: str
    threshold: Decimal
    window: AlertWindow
    is_recurring: bool
    starts_at: datetime
    created_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One window of an alert to be judged. `slot` names it: each is announced once."""

    alert: Alert
    slot: datetime
    starts_at: datetime
    ends_at: datetime


class Use(Struct, frozen=True, kw_only=True):
    """Of which meters a customer's use changed, and from when to when it is dated."""

    tenant_id: TenantId
    customer_id: CustomerId
    meters: frozenset[str]
    earliest_at: datetime
    latest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotal:
    """What a customer used of a meter within a month so far."""

    meter: Meter
    starts_at: datetime
    ends_at: datetime
    quantity: Decimal
    events: int
