"""Charges over HTTP: what company products ask for. Taken in here, and carried out by the workers."""

from typing import Annotated

from fastapi import Query

from guilder.domain.orders import service
from guilder.domain.orders.model import ChargeStatus
from guilder.domain.orders.schemas.charges import (
    ChargeIn,
    ChargeOut,
    ChargeRef,
    ChargesIn,
    ChargeWithLinkOut,
    TakenOut,
    charge_to_wire,
    taken_to_wire,
    with_link_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

BATCH_BYTES_MAX = 2_000_000

router = Router(prefix="/api", tags=["charges"])


@router.post("/charges", status_code=202)
async def request_charge(session: Session, body: ChargeIn) -> Envelope[TakenOut]:
    """Ask to charge a customer, by a CloudEvents 1.0 event (also as `application/cloudevents+json`).

    The same `source` and `id` again is the same charge. What became of it is announced on `charges.results`.
    """
    charge = body.to_model(session.tenant_id, now=session.now)
    [taken] = await service.take_charges(session.tx, charges=[charge], now=session.now)
    return ok(taken_to_wire(taken))


@router.post("/charges/batch", status_code=202, body_max=BATCH_BYTES_MAX)
async def request_charges(session: Session, body: ChargesIn) -> Envelope[list[TakenOut]]:
    """Ask for up to 500 charges at once (also as `application/cloudevents-batch+json`): all are taken, or none."""
    charges = [each.to_model(session.tenant_id, now=session.now) for each in body.root]
    taken = await service.take_charges(session.tx, charges=charges, now=session.now)
    return ok([taken_to_wire(each) for each in taken])


@router.get("/charges")
async def list_charges(
    session: Session,
    page: PageParams,
    source: Annotated[str | None, Query(max_length=255)] = None,
    status: Annotated[ChargeStatus | None, Query()] = None,
) -> ListEnvelope[ChargeOut]:
    """List charges that products asked for, newest first."""
    found = await service.charges(session.tx, query=page, source=source, status=status)
    return listed(found, charge_to_wire)


@router.get("/charges/{charge_id}")
async def get_charge(session: Session, charge_id: ChargeRef) -> Envelope[ChargeWithLinkOut]:
    """Say what became of a charge; with a payment link where its customer has no saved method."""
    charge = await service.charge(session.tx, charge_id=charge_id)
    link = await service.charge_link(session.tx, charge=charge, base_url=session.base_url, now=session.now)
    return ok(with_link_to_wire(charge, link))
