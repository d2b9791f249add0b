"""Deliveries over HTTP: listed, looked at, sent again."""

from typing import Annotated

from fastapi import Query

from guilder.domain.webhooks import service
from guilder.domain.webhooks.model import Status
from guilder.domain.webhooks.schemas import (
    DeliveryOut,
    DeliveryRef,
    DeliveryWhole,
    EndpointRef,
    ReplayedOut,
    ReplayIn,
    delivery_to_wire,
    replay_from_wire,
    whole_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["webhooks"])


@router.get("/webhook-endpoints/{endpoint_id}/deliveries", may_lag=True)
async def list_deliveries(
    session: Session,
    endpoint_id: EndpointRef,
    page: PageParams,
    status: Annotated[Status | None, Query()] = None,
    event: Annotated[str | None, Query(max_length=100, description="An event's name.")] = None,
) -> ListEnvelope[DeliveryOut]:
    """List what was sent to an endpoint, or is to be, newest first."""
    found = await service.deliveries(session.tx, endpoint_id=endpoint_id, query=page, status=status, event_name=event)
    return listed(found, delivery_to_wire)


@router.post("/webhook-endpoints/{endpoint_id}/replay", status_code=202)
async def replay_deliveries(session: Session, endpoint_id: EndpointRef, body: ReplayIn) -> Envelope[ReplayedOut]:
    """Send the messages of a stretch of time again, oldest first, under their old ids."""
    sent = await service.replay_range(
        session.tx, endpoint_id=endpoint_id, wanted=replay_from_wire(body), now=session.now
    )
    last_id = sent[-1].id if sent else None
    return ok(ReplayedOut(replayed=len(sent), has_more=len(sent) == service.REPLAY_MAX, last_id=last_id))


@router.get("/webhook-deliveries/{delivery_id}")
async def get_delivery(session: Session, delivery_id: DeliveryRef) -> Envelope[DeliveryWhole]:
    """Get a delivery: what is sent, and every attempt."""
    return ok(whole_to_wire(*await service.delivery(session.tx, message_id=delivery_id)))


@router.post("/webhook-deliveries/{delivery_id}/replay", status_code=202)
async def replay_delivery(session: Session, delivery_id: DeliveryRef) -> Envelope[DeliveryOut]:
    """Send one message again, under its old id."""
    return ok(delivery_to_wire(await service.replay(session.tx, message_id=delivery_id, now=session.now)))
