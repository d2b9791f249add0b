"""Readings of what customers use, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One reading. It is counted once by (tenant, event id), whatever its timestamp and however often it is sent."""

    event_id: str
    customer_id: CustomerId
    meter: Meter
    at: datetime
    value: Decimal = Decimal(1)
    properties: Mapping[str, str] = field(default_factory=dict)
    subscription_id: UUID | None = None  # None: for every subscription of the customer that charges for the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
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
