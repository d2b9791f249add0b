"""What usage announces: that there is more to count, never what it costs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFact(Event):
    topic: ClassVar = "usage.events"

    customer_id: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChanged(UsageFact):
    """Use of these meters changed; what changed is dated from `earliest_at` to `latest_at`, both included."""

    meters: tuple[str, ...]
    earliest_at: datetime
    latest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecorded(UsageChanged):
    """New readings were counted: one for each customer and batch."""

    name: ClassVar = "usage.readings.recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCorrected(UsageChanged):
    """A reading was amended or canceled."""

    name: ClassVar = "usage.reading.corrected"

    event_id: str
    is_canceled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAlertReached(UsageFact):
    """Use has reached an alert's threshold: announced once in each of its windows."""

    name: ClassVar = "usage.alert.reached"

    alert_id: UUID
    meter: str
    threshold: Decimal
    quantity: Decimal
    window_starts_at: datetime
