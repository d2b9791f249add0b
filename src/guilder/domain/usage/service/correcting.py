"""Corrections: what an event said is kept, and what it says now is what counts."""

from collections.abc import Callable
from datetime import datetime

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
from guilder.domain.customers import service as customers
from guilder.domain.usage.events import UsageCorrected
from guilder.domain.usage.model import Amendment, Content, Correction, EventStatus, UsageEvent
from guilder.domain.usage.rules import intake
from guilder.domain.usage.service.reading import one
from guilder.domain.usage.store import closing
from guilder.domain.usage.store import events as event_rows
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

CORRECTIONS_MAX = 100


class TooManyCorrections(Conflict):
    """An event can be corrected 100 times; cancel it, and send what was used under another id."""

    code = "too_many_corrections"


async def amend(tx: Tx, *, event_id: str, amendment: Amendment, now: datetime) -> UsageEvent:
    """Let an event say something else. Saying the same again changes nothing.

    :raises NotFound: no such event
    :raises EventIsCanceled: it does not count any more
    :raises CustomerIsErased: its customer was erased
    :raises Invalid: what it would say cannot be counted
    """
    return await _correct(
        tx, event_id, lambda content, meter: intake.amended(content, meter, amendment, now=now), now=now
    )


async def cancel(tx: Tx, *, event_id: str, now: datetime) -> UsageEvent:
    """Count an event no more. Canceling it again changes nothing, and its id stays used.

    :raises NotFound: no such event
    :raises CustomerIsErased: its customer was erased
    """
    return await _correct(tx, event_id, lambda content, _: replace(content, status=EventStatus.CANCELED), now=now)


async def _correct(tx: Tx, event_id: str, change: Callable[[Content, Meter], Content], *, now: datetime) -> UsageEvent:
    named = await one(tx, event_id=event_id)
    customer, meter_name = Ref(named.tenant_id, named.customer_id), (named.tenant_id, named.meter_code)
    if (await customers.get(tx, refs=[customer]))[customer].is_erased:
        raise customers.CustomerIsErased
    meters = await catalog.meters(tx, tenant_codes=[meter_name])
    # The watermark before the event, as intake does: then nobody waits for somebody who waits for them.
    closed = await closing.share(tx, [customer])
    event = await event_rows.get(tx, event_id, lock=True)
    assert event is not None, event_id
    new = change(event.content, meters[meter_name])
    if new == event.content:
        return event
    if len(await event_rows.corrections(tx, event.tenant_id, event_id)) >= CORRECTIONS_MAX:
        raise TooManyCorrections
    await event_rows.correct(tx, _correction(event, new, by=tx.actor, now=now))
    dates = sorted({event.at, new.at})
    await closing.add_late(tx, [(customer, event.meter_id, at) for at in dates if at < closed[customer]])
    outbox.announce(tx, [_told(event, new)], now=now)
    return replace(event, at=new.at, value=new.value, properties=new.properties, status=new.status)


def _correction(event: UsageEvent, new: Content, *, by: str, now: datetime) -> Correction:
    return Correction(
        tenant_id=event.tenant_id,
        id=ids.new(now),
        event_id=event.event_id,
        customer_id=event.customer_id,
        old=event.content,
        new=new,
        corrected_by=by,
        corrected_at=now,
    )


def _told(event: UsageEvent, new: Content) -> UsageCorrected:
    return UsageCorrected(
        tenant_id=event.tenant_id,
        customer_id=event.customer_id,
        meters=(event.meter_code,),
        earliest_at=min(event.at, new.at),
        latest_at=max(event.at, new.at),
        event_id=event.event_id,
        is_canceled=new.status is EventStatus.CANCELED,
    )
