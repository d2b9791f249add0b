"""Endpoints over HTTP."""

from fastapi import Request

from guilder.domain.webhooks import service
from guilder.domain.webhooks.schemas import (
    DeliveryOut,
    EndpointIn,
    EndpointOut,
    EndpointRef,
    EndpointWithSecret,
    delivery_to_wire,
    from_wire,
    to_wire,
    with_secret,
)
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

router = Router(prefix="/api", tags=["webhooks"])


@router.get("/webhook-endpoints")
async def list_webhook_endpoints(session: Session) -> Envelope[list[EndpointOut]]:
    """List where events are sent, newest first, and how that goes."""
    return ok([to_wire(each) for each in await service.listing(session.tx)])


@router.post("/webhook-endpoints", status_code=201)
async def create_webhook_endpoint(session: Session, request: Request, body: EndpointIn) -> Envelope[EndpointWithSecret]:
    """Have events sent to an address. The secret that signs them is in this answer, and in no other."""
    endpoint, secret = await service.create(
        session.tx, wish=from_wire(body), may_loop=_may_loop(session, request), now=session.now
    )
    return ok(with_secret(endpoint, secret))


@router.get("/webhook-endpoints/{endpoint_id}")
async def get_webhook_endpoint(session: Session, endpoint_id: EndpointRef) -> Envelope[EndpointOut]:
    """Get an endpoint and its health."""
    return ok(to_wire(await service.one(session.tx, endpoint_id=endpoint_id)))


@router.put("/webhook-endpoints/{endpoint_id}")
async def change_webhook_endpoint(
    session: Session,
    request: Request,
    endpoint_id: EndpointRef,
    body: EndpointIn,
) -> Envelope[EndpointOut]:
    """Send other events, or send them elsewhere, from now on."""
    changed = await service.change(
        session.tx, endpoint_id=endpoint_id, wish=from_wire(body), may_loop=_may_loop(session, request), now=session.now
    )
    return ok(to_wire(changed))


@router.delete("/webhook-endpoints/{endpoint_id}")
async def delete_webhook_endpoint(session: Session, endpoint_id: EndpointRef) -> Envelope[EndpointOut]:
    """Send nothing there any more."""
    return ok(to_wire(await service.delete(session.tx, endpoint_id=endpoint_id, now=session.now)))


@router.post("/webhook-endpoints/{endpoint_id}/rotate")
async def rotate_webhook_secret(session: Session, endpoint_id: EndpointRef) -> Envelope[EndpointWithSecret]:
    """Make a new secret, shown this once. The one before signs as well for 24 hours."""
    endpoint, secret = await service.rotate(session.tx, endpoint_id=endpoint_id, now=session.now)
    return ok(with_secret(endpoint, secret))


@router.post("/webhook-endpoints/{endpoint_id}/enable")
async def enable_webhook_endpoint(session: Session, endpoint_id: EndpointRef) -> Envelope[EndpointOut]:
    """Send events to a disabled endpoint again, from now on."""
    return ok(to_wire(await service.enable(session.tx, endpoint_id=endpoint_id, now=session.now)))


@router.post("/webhook-endpoints/{endpoint_id}/test", status_code=202)
async def test_webhook_endpoint(session: Session, endpoint_id: EndpointRef) -> Envelope[DeliveryOut]:
    """Send a `webhooks.ping`; look at the delivery to see how it went."""
    return ok(delivery_to_wire(await service.ping(session.tx, endpoint_id=endpoint_id, now=session.now)))


def _may_loop(session: RequestSession, request: Request) -> bool:
    # Nobody said so where this was not set: then it is no.
    allowed: bool = getattr(request.app.state, "allows_loopback", False)
    return allowed and session.principal.mode != "live"
