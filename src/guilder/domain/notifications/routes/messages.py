"""What customers were told, over HTTP. A customer's user reads its own."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.notifications import service
from guilder.domain.notifications.model import Channel, Kind
from guilder.domain.notifications.schemas import (
    NotificationOut,
    NotificationRef,
    NotificationWhole,
    to_wire,
    whole_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["notifications"])


@router.get("/notifications", may_lag=True)
async def list_notifications(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    kind: Annotated[Kind | None, Query()] = None,
    channel: Annotated[Channel | None, Query()] = None,
) -> ListEnvelope[NotificationOut]:
    """List what customers were told, newest first."""
    found = await service.listing(
        session.tx,
        query=page,
        customer_id=await customers.about(session.tx, text=customer_id, only=session.customer_filter),
        kind=kind,
        channel=channel,
        is_customers=session.customer_filter is not None,
    )
    return listed(found, to_wire)


@router.get("/notifications/{notification_id}")
async def get_notification(session: Session, notification_id: NotificationRef) -> Envelope[NotificationWhole]:
    """Get a message as it was sent."""
    found = await service.one(session.tx, notification_id=notification_id, customer_id=session.customer_filter)
    return ok(whole_to_wire(found))
