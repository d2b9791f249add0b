"""Meters over HTTP."""

from guilder.domain.catalog import service
from guilder.domain.catalog.schemas.charges import MeterIn, MeterOut, meter_to_wire
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["catalog"])


@router.get("/meters")
async def list_meters(session: Session, page: PageParams) -> ListEnvelope[MeterOut]:
    """List what is measured, newest first."""
    return listed(await service.all_meters(session.tx, query=page), meter_to_wire)


@router.post("/meters", status_code=201)
async def create_meter(session: Session, body: MeterIn) -> Envelope[MeterOut]:
    """Say what is to be measured, and how many readings become one quantity."""
    return ok(meter_to_wire(await service.create_meter(session.tx, meter=body.to_model(), now=session.now)))


@router.get("/meters/{meter_id}")
async def get_meter(session: Session, meter_id: str) -> Envelope[MeterOut]:
    """Get a meter by its id or its code."""
    return ok(meter_to_wire(await service.meter(session.tx, meter=meter_id)))
