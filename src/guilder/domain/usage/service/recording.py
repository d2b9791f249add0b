"""Readings in: each counted once, and each knows whether it came late."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import NamedCustomer
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
ONE = Decimal(1)

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
    [outcomes] = await receive_each(tx, sent=[readings], now=now)
    if isinstance(outcomes, Invalid):
        raise outcomes
    return outcomes


async def receive_each(tx: Tx, *, sent: Sequence[Sequence[SentReading]], now: datetime) -> list[list[Intake] | Invalid]:
    """Receive what several sent to the transaction's tenant, in order, at the price of one: each as `receive` would.

    What cannot be counted is refused to whoever sent it, and to nobody else.
    """
    known = await _known(tx, [each for readings in sent for each in readings])
    events = [_events(known, readings, now) for readings in sent]
    fine = [each for each in events if not isinstance(each, Invalid)]
    counted = iter(await _count(tx, [each for some in fine for each in some if each is not None], now=now))
    return [
        each if isinstance(each, Invalid) else [Intake.IGNORED if one is None else next(counted) for one in each]
        for each in events
    ]


async def record(tx: Tx, *, events: Sequence[NewEvent], paths: Sequence[str] = (), now: datetime) -> list[Intake]:
    """Count readings, in order, each once by (tenant, event id): another with a known id changes nothing.

    `paths` says where each stood in what was sent, for refusals: by default `events[0]`, `events[1]`, …

    :raises Invalid: a reading cannot be counted; none is
    """
    where = paths or [f"events[{number}]" for number in range(len(events))]
    return await _count(
        tx, [intake.checked(each, path=path, now=now) for each, path in zip(events, where, strict=True)], now=now
    )


async def _count(tx: Tx, events: Sequence[NewEvent], *, now: datetime) -> list[Intake]:
    """Count what has been checked."""
    assert len(events) <= BATCH_MAX, len(events)
    first: dict[Name, NewEvent] = {}
    by_customer: dict[Ref, list[NewEvent]] = {}
    for each in events:
        if first.setdefault(_name(each), each) is each:
            by_customer.setdefault(_whose(each), []).append(each)
    if not first:
        return []
    closed = await closing.share(tx, list(by_customer))
    written = await event_rows.insert(tx, list(first.values()), ids=ids.new_many(now, len(first)), now=now)
    if len(written) < len(first):
        by_customer = {ref: [each for each in some if _name(each) in written] for ref, some in by_customer.items()}
    late = [
        (ref, each.meter.id, each.at) for ref, some in by_customer.items() for each in some if each.at < closed[ref]
    ]
    await closing.add_late(tx, late)
    outbox.announce(tx, _told(by_customer), now=now)
    return [
        Intake.COUNTED if first[name] is each and name in written else Intake.DUPLICATE
        for each, name in ((each, _name(each)) for each in events)
    ]


class _Known(NamedTuple):
    """What readings may name: the tenant's meters by code, its customers by organization id and by their own."""

    meters: Mapping[str, Meter]
    whose: Mapping[str | CustomerId, NamedCustomer]


async def _known(tx: Tx, readings: Sequence[SentReading]) -> _Known:
    found = await catalog.meters(tx, tenant_codes=sorted({(tx.tenant_id, each.meter) for each in readings}))
    whose = await customers.named(
        tx,
        organization_ids=sorted({each.organization_id for each in readings if each.organization_id is not None}),
        ids=sorted({each.customer_id for each in readings if each.customer_id is not None}),
    )
    return _Known({code: meter for (_, code), meter in found.items()}, whose)


def _events(known: _Known, readings: Sequence[SentReading], now: datetime) -> list[NewEvent | None] | Invalid:
    """Return what there is to count, None where the customer was erased; or why it cannot be."""
    try:
        return [_event(known, each, now) for each in readings]
    except Invalid as refusal:
        return refusal


def _event(known: _Known, reading: SentReading, now: datetime) -> NewEvent | None:
    meter = known.meters.get(reading.meter)
    if meter is None:
        detail = f"there is no meter {reading.meter!r}"
        raise UnknownMeter(detail, field=intake.at_path(reading.path, "meter"))
    named = reading.organization_id if reading.organization_id is not None else reading.customer_id
    customer = None if named is None else known.whose.get(named)
    if customer is None:
        field = "organization_id" if reading.customer_id is None else "customer_id"
        raise UnknownCustomer(field=intake.at_path(reading.path, field))
    intake.check_given(meter, reading.value, path=reading.path)
    if customer.is_erased:
        return None
    at = reading.at or now
    intake.check(reading.event_id, at, reading.properties, path=reading.path, now=now)
    value = ONE if reading.value is None else reading.value
    return NewEvent(
        event_id=reading.event_id,
        customer_id=customer.id,
        meter=meter,
        at=at,
        value=intake.measured(meter, value, reading.properties, path=reading.path),
        properties=reading.properties,
        subscription_id=reading.subscription_id,
    )


def _told(by_customer: Mapping[Ref, Sequence[NewEvent]]) -> list[UsageRecorded]:
    """Say of each customer once what there is more of."""
    return [
        UsageRecorded(
            tenant_id=ref.tenant_id,
            customer_id=CustomerId(ref.id),
            meters=tuple(sorted({each.meter.code for each in events})),
            earliest_at=min(each.at for each in events),
            latest_at=max(each.at for each in events),
        )
        for ref, events in sorted(by_customer.items())
        if events
    ]


def _name(event: NewEvent) -> Name:
    return event.meter.tenant_id, event.event_id


def _whose(event: NewEvent) -> Ref:
    return Ref(event.meter.tenant_id, event.customer_id)
