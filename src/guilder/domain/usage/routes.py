"""Usage over HTTP. Only the tenant's own keys write it; a customer's user reads its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from guilder.domain.catalog import service as catalog
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.usage import service
from guilder.domain.usage.model import NewAlert, SentReading
from guilder.domain.usage.schemas import quick
from guilder.domain.usage.schemas.wire import (
    EVENTS_MAX,
    AlertIn,
    AlertOut,
    AlertRef,
    AmendIn,
    CurrentOut,
    CustomerNamedWrongly,
    EventOut,
    EventWithPastOut,
    IntakeOut,
    OrganizationId,
    UsageIn,
    alert_to_wire,
    event_to_wire,
    event_with_past,
    intake_to_wire,
    use_to_wire,
)
from guilder.kernel import ids
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.platform.db.gathering import Size
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import Code, CustomerQuery, Instant
from guilder.platform.http.gathering import Asks
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

# A thousand events, each with all the properties that it may have.
BATCH_BYTES_MAX = 8_000_000

router = Router(prefix="/api/usage", tags=["usage"])

EventPath = Annotated[str, Path(max_length=255, description="The id that its sender gave it.")]
Organization = Annotated[OrganizationId | None, Query(description="What your product calls the customer.")]


class _Readings:
    """Readings that arrive at the same time, counted in one transaction."""

    # A group is what one may send at once: whoever sends one reading beside it waits as long as for its own. One at a
    # time: what comes while it is written makes the next one larger, and cheaper, than two beside each other would be.
    size = Size(group=EVENTS_MAX, at_once=1, waiting=20 * EVENTS_MAX)
    status = 200

    def read(self, body: bytes) -> list[SentReading] | None:
        return quick.read(body)

    def weight(self, read: list[SentReading]) -> int:
        return len(read)

    async def write(self, tx: Tx, group: Sequence[Asks], *, now: datetime) -> list[bytes | None]:
        reads: list[list[SentReading]] = [each.read for each in group]
        outcomes = await service.receive_each(tx, sent=reads, now=now)
        return [
            None if isinstance(each, Invalid) else quick.answer(readings, each)
            for readings, each in zip(reads, outcomes, strict=True)
        ]


@router.post("", body_max=BATCH_BYTES_MAX, gathered=_Readings())
async def record(session: Session, body: UsageIn) -> Envelope[IntakeOut]:
    """Count one event, or up to 1,000. Sending an event again is safe: its id is counted once."""
    readings = body.readings()
    outcomes = await service.receive(session.tx, readings=readings, now=session.now)
    return ok(intake_to_wire(readings, outcomes))


@router.get("", may_lag=True)
async def list_events(
    session: Session,
    page: PageParams,
    organization_id: Organization = None,
    customer_id: CustomerQuery = None,
    meter: Annotated[Code | None, Query()] = None,
    starts_at: Annotated[Instant | None, Query(alias="from")] = None,
    ends_at: Annotated[Instant | None, Query(alias="until", description="Not included.")] = None,
) -> ListEnvelope[EventOut]:
    """List events, those that arrived last first."""
    found = await service.listing(
        session.tx,
        query=page,
        customer_id=await _only(session, organization_id, customer_id),
        meter=meter,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return listed(found, event_to_wire)


@router.get("/current", may_lag=True)
async def read_current(
    session: Session, organization_id: Organization = None, customer_id: CustomerQuery = None
) -> Envelope[CurrentOut]:
    """Say what a customer has used in the present calendar month, by meter."""
    customer = await _customer(session, organization_id, customer_id)
    found = await service.current(session.tx, customer=customer, now=session.now)
    meters = [use_to_wire(each) for each in found]
    return ok(CurrentOut(customer_id=customer.id, organization_id=customer.organization_id, meters=meters))


@router.post("/alerts", status_code=201)
async def create_alert(session: Session, body: AlertIn) -> Envelope[AlertOut]:
    """Announce `usage.alert.reached` once use of a meter reaches a threshold."""
    body.check_whose()
    named = ids.to_text("cus", body.customer_id) if body.customer_id is not None else None
    customer = await _customer(session, body.organization_id, named)
    new = NewAlert(
        customer_id=customer.id,
        meter=await catalog.meter(session.tx, meter=body.meter),
        threshold=body.threshold,
        window=body.window,
        is_recurring=body.recurring,
        starts_at=body.starts_at,
    )
    return ok(alert_to_wire(await service.create_alert(session.tx, alert=new, now=session.now)))


@router.get("/alerts")
async def list_alerts(
    session: Session, page: PageParams, organization_id: Organization = None, customer_id: CustomerQuery = None
) -> ListEnvelope[AlertOut]:
    only = await _only(session, organization_id, customer_id)
    return listed(await service.alerts(session.tx, query=page, customer_id=only), alert_to_wire)


@router.get("/alerts/{alert_id}")
async def get_alert(session: Session, alert_id: AlertRef) -> Envelope[AlertOut]:
    found = await service.alert(session.tx, alert_id=alert_id, customer_id=session.customer_filter)
    return ok(alert_to_wire(found))


@router.delete("/alerts/{alert_id}")
async def remove_alert(session: Session, alert_id: AlertRef) -> Envelope[AlertOut]:
    return ok(alert_to_wire(await service.remove_alert(session.tx, alert_id=alert_id, now=session.now)))


@router.get("/{event_id}", may_lag=True)
async def get_event(session: Session, event_id: EventPath) -> Envelope[EventWithPastOut]:
    """Return an event as it counts now, and what it said before."""
    found = await service.one(session.tx, event_id=event_id, customer_id=session.customer_filter)
    return ok(event_with_past(found, await service.corrections(session.tx, event=found)))


@router.post("/{event_id}/amend")
async def amend(session: Session, event_id: EventPath, body: AmendIn) -> Envelope[EventOut]:
    """Let an event say something else; billed use is adjusted on the next invoice."""
    found = await service.amend(session.tx, event_id=event_id, amendment=body.from_wire(), now=session.now)
    return ok(event_to_wire(found))


@router.post("/{event_id}/cancel")
async def cancel(session: Session, event_id: EventPath) -> Envelope[EventOut]:
    """Count an event no more. Its id stays used."""
    return ok(event_to_wire(await service.cancel(session.tx, event_id=event_id, now=session.now)))


async def _only(session: RequestSession, organization_id: str | None, customer_id: str | None) -> CustomerId | None:
    """Return the one customer that a list is about; None for all of the tenant's."""
    if organization_id is None and customer_id is None:
        return session.customer_filter
    return (await _customer(session, organization_id, customer_id)).id


async def _customer(session: RequestSession, organization_id: str | None, customer_id: str | None) -> Customer:
    """Find whom the caller names. A customer's user need not name itself, and nobody else is known to it."""
    only = session.customer_filter
    if organization_id is None and customer_id is None and only is not None:
        return await customers.one(session.tx, customer_id=only)
    if (organization_id is None) == (customer_id is None):
        raise CustomerNamedWrongly(field="organization_id")
    if customer_id is not None:
        return await customers.find(session.tx, text=customer_id, only=only, field="customer_id")
    assert organization_id is not None
    return await customers.find(session.tx, text=organization_id, only=only, field="organization_id")
