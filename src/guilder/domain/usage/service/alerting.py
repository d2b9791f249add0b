"""Alerts: announced when use reaches a threshold, once in each window."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.usage.events import UsageAlertReached
from guilder.domain.usage.model import Alert, NewAlert, Question, Stretch, Use
from guilder.domain.usage.rules import alerts as rules
from guilder.domain.usage.service.totalling import totals
from guilder.domain.usage.store import alerts as alert_rows
from guilder.domain.usage.store import closing
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

ALERTS_MAX = 50


class TooManyAlerts(Conflict):
    """A customer has at most 50 alerts."""

    code = "too_many_alerts"


async def create_alert(tx: Tx, *, alert: NewAlert, now: datetime) -> Alert:
    """Watch a customer's use of a meter; where it has reached the threshold already, that is announced at once.

    :raises NotFound: no such customer
    :raises BadAlert: it would never be announced, or never stop
    :raises TooManyAlerts: the customer has 50
    """
    rules.check(alert, now=now)
    customer = await customers.one(tx, customer_id=alert.customer_id)
    ref = customers.ref_of(customer)
    # Alone: what is being counted at this moment is either seen here, or hears of the alert.
    await closing.hold(tx, [ref])
    if await alert_rows.count(tx, ref) >= ALERTS_MAX:
        raise TooManyAlerts
    starts_at = rules.starts_at(alert, zone=ZoneInfo(customer.time_zone), now=now)
    made = Alert(
        tenant_id=customer.tenant_id,
        id=ids.new(now),
        customer_id=customer.id,
        meter_code=alert.meter.code,
        threshold=alert.threshold,
        window=alert.window,
        is_recurring=alert.is_recurring,
        starts_at=starts_at,
        created_at=now,
    )
    await alert_rows.insert(tx, made, meter_id=alert.meter.id)
    use = Use(
        tenant_id=made.tenant_id,
        customer_id=made.customer_id,
        meters=frozenset({made.meter_code}),
        earliest_at=min(starts_at, now),
        latest_at=now,
    )
    await _judge(tx, [made], {ref: use}, {ref: customer}, now=now)
    return made


async def alert(tx: Tx, *, alert_id: UUID, customer_id: CustomerId | None = None) -> Alert:
    """Return an alert; `customer_id` is the only customer that whoever asks may see.

    :raises NotFound: no such alert
    """
    found = await alert_rows.get(tx, alert_id, customer_id=customer_id)
    if found is None or found.removed_at is not None:
        raise NotFound("there is no such alert")
    return found


async def alerts(tx: Tx, *, query: PageQuery, customer_id: CustomerId | None = None) -> Page[Alert]:
    rows = await alert_rows.listing(tx, query, customer_id=customer_id)
    return page_of(rows, query, lambda each: each.id)


async def remove_alert(tx: Tx, *, alert_id: UUID, now: datetime) -> Alert:
    """Watch no more.

    :raises NotFound: no such alert
    """
    found = await alert(tx, alert_id=alert_id)
    await alert_rows.remove(tx, found, now=now)
    return found


async def judge(tx: Tx, *, uses: Sequence[Use], now: datetime) -> None:
    """Announce what these changes of use have reached; whatever was announced in its window is not again."""
    by_customer = _joined(uses)
    found = await alert_rows.of_customers(tx, sorted(by_customer))
    watched = [each for each in found if each.meter_code in by_customer[_whose(each)].meters]
    if watched:
        people = await customers.get(tx, refs=sorted({_whose(each) for each in watched}))
        await _judge(tx, watched, by_customer, people, now=now)


async def _judge(
    tx: Tx, watched: Sequence[Alert], uses: Mapping[Ref, Use], people: Mapping[Ref, Customer], *, now: datetime
) -> None:
    meters = await catalog.meters(tx, tenant_codes=sorted({_meter_of(each) for each in watched}))
    stretches = [
        stretch
        for each in watched
        for stretch in rules.stretches(
            each, meters[_meter_of(each)], uses[_whose(each)], zone=ZoneInfo(people[_whose(each)].time_zone), now=now
        )
    ]
    answers = await totals(tx, questions=[_question(each, meters[_meter_of(each.alert)]) for each in stretches])
    full = [
        (stretch, reading.quantity)
        for stretch, [reading] in zip(stretches, answers, strict=True)
        if reading.quantity >= stretch.alert.threshold
    ]
    # Of an alert that tells once, the earliest month is the one.
    first: dict[tuple[UUID, datetime], tuple[Stretch, Decimal]] = {}
    for stretch, quantity in full:
        first.setdefault((stretch.alert.id, stretch.slot), (stretch, quantity))
    new = await alert_rows.reach(tx, list(first.values()), now=now)
    told = [
        UsageAlertReached(
            tenant_id=stretch.alert.tenant_id,
            customer_id=stretch.alert.customer_id,
            alert_id=stretch.alert.id,
            meter=stretch.alert.meter_code,
            threshold=stretch.alert.threshold,
            quantity=quantity,
            window_starts_at=stretch.starts_at,
        )
        for name, (stretch, quantity) in first.items()
        if name in new
    ]
    outbox.announce(tx, told, now=now)


def _joined(uses: Sequence[Use]) -> dict[Ref, Use]:
    """Make one of all uses of a customer."""
    found: dict[Ref, Use] = {}
    for each in uses:
        ref = Ref(each.tenant_id, each.customer_id)
        before = found.get(ref, each)
        found[ref] = Use(
            tenant_id=each.tenant_id,
            customer_id=each.customer_id,
            meters=before.meters | each.meters,
            earliest_at=min(before.earliest_at, each.earliest_at),
            latest_at=max(before.latest_at, each.latest_at),
        )
    return found


def _question(stretch: Stretch, meter: Meter) -> Question:
    return Question(
        tenant_id=stretch.alert.tenant_id,
        customer_id=stretch.alert.customer_id,
        meter=meter,
        starts_at=stretch.starts_at,
        ends_at=stretch.ends_at,
    )


def _meter_of(alert: Alert) -> tuple[TenantId, str]:
    return alert.tenant_id, alert.meter_code


def _whose(alert: Alert) -> Ref:
    return Ref(alert.tenant_id, alert.customer_id)
