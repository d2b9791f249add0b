"""Readings in: each counted once, and each knows whether it came late."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.usage.events import UsageRecorded
from guilder.domain.usage.model import Intake, NewEvent, SentReading
from guilder.domain.usage.rules import intake
from guilder.domain.usage.store import closing
from guilder.domain.usage.store import events as event_rows
from guilder.kernel import ids
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

BATCH_MAX = 10_000

Name = tuple[TenantId, str]


class UnknownCustomer(Invalid):
    """There is no such customer."""

    code = "unknown_customer"


class UnknownMeter(Invalid):
    """There is no such meter."""

    code = "unknown_meter"


async def receive(tx: Tx, *, readings: Sequence[SentReading], now: datetime) -> list[Intake]:
    """Count what was sent to the transaction's tenant: all of it, or nothing where one of it cannot be.

    A reading of a customer who was erased is taken, and nothing of it is kept.

    :raises UnknownCustomer: a customer or organization that is not the tenant's
    :raises UnknownMeter: a meter that the tenant does not have
    :raises Invalid: a reading cannot be counted; `field` says which, and what of it
    """
    meters = await catalog.meters(tx, tenant_codes=sorted({(tx.tenant_id, each.meter) for each in readings}))
    whose = await _customers(tx, readings)
    events = [_resolved(tx.tenant_id, each, meters, whose, now) for each in readings]
    gone = {each.id for each in whose.values() if each.is_erased}
    kept = [number for number, each in enumerate(events) if each.customer_id not in gone]
    outcomes = await record(
        tx, events=[events[number] for number in kept], paths=[readings[number].path for number in kept], now=now
    )
    by_number = dict(zip(kept, outcomes, strict=True))
    return [by_number.get(number, Intake.IGNORED) for number in range(len(events))]


async def record(tx: Tx, *, events: Sequence[NewEvent], paths: Sequence[str] = (), now: datetime) -> list[Intake]:
    """Count readings, in order, each once by (tenant, event id): another with a known id changes nothing.

    `paths` says where each stood in what was sent, for refusals: by default `events[0]`, `events[1]`, …

    :raises Invalid: a reading cannot be counted; none is
    """
    assert len(events) <= BATCH_MAX, len(events)
    where = paths or [f"events[{number}]" for number in range(len(events))]
    checked = [intake.checked(each, path=path, now=now) for each, path in zip(events, where, strict=True)]
    first = {_name(each): each for each in reversed(checked)}
    unique = [each for each in checked if first[_name(each)] is each]
    if not unique:
        return []
    closed = await closing.share(tx, [_whose(each) for each in unique])
    written = await event_rows.insert(tx, unique, ids=ids.new_many(now, len(unique)), now=now)
    counted = [each for each in unique if _name(each) in written]
    late = [each for each in counted if each.at < closed[_whose(each)]]
    await closing.add_late(tx, [(_whose(each), each.meter.id, each.at) for each in late])
    outbox.announce(tx, _told(counted), now=now)
    new = {id(each) for each in counted}
    return [Intake.COUNTED if id(each) in new else Intake.DUPLICATE for each in checked]


async def _customers(tx: Tx, readings: Iterable[SentReading]) -> dict[str | CustomerId, Customer]:
    """Return whom the readings name, by organization id and by customer id."""
    organizations = sorted({each.organization_id for each in readings if each.organization_id is not None})
    refs = ids.in_tenant(tx.tenant_id, sorted({each.customer_id for each in readings if each.customer_id is not None}))
    by_organization = await customers.by_organization(tx, organization_ids=organizations) if organizations else {}
    by_id = await customers.get(tx, refs=refs) if refs else {}
    found: dict[str | CustomerId, Customer] = {each.id: each for each in by_id.values()}
    found.update(by_organization)
    return found


def _resolved(
    tenant_id: TenantId,
    reading: SentReading,
    meters: Mapping[Name, Meter],
    whose: Mapping[str | CustomerId, Customer],
    now: datetime,
) -> NewEvent:
    meter = meters.get((tenant_id, reading.meter))
    if meter is None:
        detail = f"there is no meter {reading.meter!r}"
        raise UnknownMeter(detail, field=intake.at_path(reading.path, "meter"))
    named = reading.organization_id if reading.organization_id is not None else reading.customer_id
    if named is None or named not in whose:
        field = "organization_id" if reading.customer_id is None else "customer_id"
        raise UnknownCustomer(field=intake.at_path(reading.path, field))
    intake.check_given(meter, reading.value, path=reading.path)
    return NewEvent(
        event_id=reading.event_id,
        customer_id=whose[named].id,
        meter=meter,
        at=reading.at or now,
        value=Decimal(1) if reading.value is None else reading.value,
        properties=reading.properties,
        subscription_id=reading.subscription_id,
    )


def _told(events: Iterable[NewEvent]) -> list[UsageRecorded]:
    """Say of each customer once what there is more of."""
    grouped: dict[Ref, list[NewEvent]] = {}
    for each in events:
        grouped.setdefault(_whose(each), []).append(each)
    return [
        UsageRecorded(
            tenant_id=ref.tenant_id,
            customer_id=CustomerId(ref.id),
            meters=tuple(sorted({each.meter.code for each in members})),
            earliest_at=min(each.at for each in members),
            latest_at=max(each.at for each in members),
        )
        for ref, members in sorted(grouped.items())
    ]


def _name(event: NewEvent) -> Name:
    return event.meter.tenant_id, event.event_id


def _whose(event: NewEvent) -> Ref:
    return Ref(event.meter.tenant_id, event.customer_id)
