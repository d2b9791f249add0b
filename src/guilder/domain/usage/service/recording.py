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
from guilder.domain.usage.model import Intake, NewEvent, SentReading, Use
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
    dates = intake.Dates.at(now)
    events = [_events(known, readings, dates) for readings in sent]
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
    where, dates = paths or [f"events[{number}]" for number in range(len(events))], intake.Dates.at(now)
    return await _count(
        tx, [intake.checked(each, path=path, dates=dates) for each, path in zip(events, where, strict=True)], now=now
    )


async def _count(tx: Tx, events: Sequence[NewEvent], *, now: datetime) -> list[Intake]:
    """Count what has been checked."""
    assert len(events) <= BATCH_MAX, len(events)
    if not events:
        return []
    names = [(each.meter.tenant_id, each.event_id) for each in events]
    first: dict[Name, NewEvent] = {}
    for name, each in zip(names, events, strict=True):
        first.setdefault(name, each)
    fresh = list(first.values())
    by_customer = _by_customer(fresh)
    closed = await closing.share(tx, list(by_customer))
    clashed = await event_rows.insert(tx, fresh, ids=ids.new_many(now, len(fresh)), now=now)
    if clashed:
        by_customer = _by_customer([each for name, each in first.items() if name not in clashed])
    used = {ref: _use(ref, some) for ref, some in by_customer.items()}
    late = [
        (ref, each.meter.id, each.at)
        for ref, some in by_customer.items()
        if used[ref].earliest_at < closed[ref]
        for each in some
        if each.at < closed[ref]
    ]
    await closing.add_late(tx, late)
    outbox.announce(tx, _told(used), now=now)
    if len(fresh) == len(events) and not clashed:
        return [Intake.COUNTED] * len(events)
    return [
        Intake.COUNTED if first[name] is each and name not in clashed else Intake.DUPLICATE
        for name, each in zip(names, events, strict=True)
    ]


def _by_customer(events: Sequence[NewEvent]) -> dict[Ref, list[NewEvent]]:
    found: dict[Ref, list[NewEvent]] = {}
    for each in events:
        # A plain pair finds what a reference names, and is made sooner.
        pair = each.meter.tenant_id, each.customer_id
        some = found.get(pair)  # type: ignore[call-overload]
        if some is None:
            some = found[Ref(*pair)] = []
        some.append(each)
    return found


class _Known(NamedTuple):
    """What readings may name: the tenant's meters by code, its customers by organization id and by their own."""

    meters: Mapping[str, Meter]
    whose: Mapping[str | CustomerId, NamedCustomer]


async def _known(tx: Tx, readings: Sequence[SentReading]) -> _Known:
    codes = sorted({each.meter for each in readings})
    found = await catalog.meters(tx, tenant_codes=[(tx.tenant_id, code) for code in codes])
    whose = await customers.named(
        tx,
        organization_ids=sorted({each.organization_id for each in readings if each.organization_id is not None}),
        ids=sorted({each.customer_id for each in readings if each.customer_id is not None}),
    )
    return _Known({code: meter for (_, code), meter in found.items()}, whose)


def _events(known: _Known, readings: Sequence[SentReading], dates: intake.Dates) -> list[NewEvent | None] | Invalid:
    """Return what there is to count, None where the customer was erased; or why it cannot be."""
    try:
        return [_event(known, each, dates) for each in readings]
    except Invalid as refusal:
        return refusal


def _event(known: _Known, reading: SentReading, dates: intake.Dates) -> NewEvent | None:
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
    at = reading.at or dates.now
    intake.check(reading.event_id, at, reading.properties, path=reading.path, dates=dates)
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


def _use(ref: Ref, events: Sequence[NewEvent]) -> Use:
    instants = [each.at for each in events]
    return Use(
        tenant_id=ref.tenant_id,
        customer_id=CustomerId(ref.id),
        meters=frozenset([each.meter.code for each in events]),
        earliest_at=min(instants),
        latest_at=max(instants),
    )


def _told(used: Mapping[Ref, Use]) -> list[UsageRecorded]:
    """Say of each customer once what there is more of."""
    return [
        UsageRecorded(
            tenant_id=use.tenant_id,
            customer_id=use.customer_id,
            meters=tuple(sorted(use.meters)),
            earliest_at=use.earliest_at,
            latest_at=use.latest_at,
        )
        for _, use in sorted(used.items())
    ]
