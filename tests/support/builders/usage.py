"""Readings, and the questions that are asked of them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, Meter, NewMeter
from guilder.domain.customers.model import Customer
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Closing, EventStatus, Intake, NewEvent, Question, UsageEvent
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant

STARTS = NOW - timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Metered:
    """A tenant, one of its customers, and a meter."""

    tenant_id: TenantId
    customer: Customer
    meter: Meter

    def event(self, **over: Any) -> NewEvent:
        return an_event(**{"customer_id": self.customer.id, "meter": self.meter, **over})

    def question(self, **over: Any) -> Question:
        return a_question(**{"customer_id": self.customer.id, "meter": self.meter, **over})

    def closing(self, until: datetime) -> Closing:
        return Closing(tenant_id=self.tenant_id, customer_id=self.customer.id, until=until)


async def a_meter(tx: Tx, aggregation: Aggregation = Aggregation.SUM, **over: Any) -> Meter:
    now = over.pop("now", NOW)
    code = over.pop("code", f"meter-{secrets.token_hex(4)}")
    given = "user" if aggregation is Aggregation.UNIQUE_COUNT else ""
    new = NewMeter(
        code=code, name=over.pop("name", "Use"), aggregation=aggregation, property=over.pop("property", given)
    )
    assert not over, over
    return await catalog.create_meter(tx, meter=new, now=now)


async def metered(database: Database, aggregation: Aggregation = Aggregation.SUM, **over: Any) -> Metered:
    """Make a tenant with a customer and a meter, in a transaction of its own."""
    tenant_id = (await new_tenant(database)).tenant_id
    zone = over.pop("time_zone", "UTC")
    async with database.transaction([tenant_id], actor="test") as tx:
        return Metered(tenant_id, await a_customer(tx, time_zone=zone), await a_meter(tx, aggregation, **over))


def an_event(**over: Any) -> NewEvent:
    """Say what was used; `customer_id` and `meter` are needed."""
    return NewEvent(**{"event_id": f"e-{secrets.token_hex(8)}", "at": NOW - timedelta(days=1), **over})


def a_question(**over: Any) -> Question:
    """Ask about the 28 days up to now; `customer_id` and `meter` are needed."""
    return Question(**{"tenant_id": over["meter"].tenant_id, "starts_at": STARTS, "ends_at": NOW, **over})


def a_plain_meter(aggregation: Aggregation, reads: str = "") -> Meter:
    """Make a meter that is in no database, for rules."""
    tenant_id, meter_id = TenantId(UUID(int=1)), UUID(int=3)
    return Meter(
        tenant_id=tenant_id,
        id=meter_id,
        code="use",
        name="Use",
        aggregation=aggregation,
        property=reads,
        created_at=NOW,
    )


def a_counted(meter: Meter, at: datetime, value: Decimal | int = 1, **over: Any) -> UsageEvent:
    """Make an event as it stands counted, that is in no database, for rules."""
    said = {
        "tenant_id": meter.tenant_id,
        "event_id": secrets.token_hex(8),
        "customer_id": CustomerId(UUID(int=2)),
        "meter_id": meter.id,
        "meter_code": meter.code,
        "at": at,
        "value": Decimal(value),
        "properties": {},
        "subscription_id": None,
        "status": EventStatus.COUNTED,
        "received_at": at,
        "id": ids.new(NOW),
    }
    return UsageEvent(**{**said, **over})


async def used(database: Database, *events: NewEvent, now: datetime = NOW) -> list[Intake]:
    """Record readings of one tenant, in a transaction of their own."""
    async with database.transaction([events[0].meter.tenant_id], actor="test") as tx:
        return await usage.record(tx, events=events, now=now)


async def quantities(tx: Tx, questions: Sequence[Question]) -> list[Decimal]:
    """Return the one quantity that each question without groups is answered with."""
    return [reading.quantity for [reading] in await usage.totals(tx, questions=questions)]
