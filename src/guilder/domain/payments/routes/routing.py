"""Routes over HTTP: where payments go that are bound to no account."""

from guilder.domain.payments import service
from guilder.domain.payments.schemas.routing import (
    PreviewIn,
    PreviewOut,
    RouteOut,
    RoutesIn,
    choice_to_wire,
    route_to_wire,
)
from guilder.kernel import ids
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["payments"])


@router.get("/payment-routes")
async def list_routes(session: Session) -> Envelope[list[RouteOut]]:
    """List the tenant's routes in their order."""
    return ok([route_to_wire(each) for each in await service.routes(session.tx)])


@router.put("/payment-routes")
async def set_routes(session: Session, body: RoutesIn) -> Envelope[list[RouteOut]]:
    """Have these routes in place of those that were; without any, all goes to the default account."""
    wanted = [each.to_model(session.now) for each in body.routes]
    made = await service.set_routes(session.tx, routes=wanted, now=session.now)
    return ok([route_to_wire(each) for each in made])


@router.post("/payment-routes/preview")
async def preview(session: Session, body: PreviewIn) -> Envelope[PreviewOut]:
    """Say where a payment would go now, and why; nothing is changed."""
    choice = await service.choose(session.tx, wish=body.to_model(), key=str(ids.new(session.now)), now=session.now)
    return ok(choice_to_wire(choice))
