"""Customers, over HTTP. A customer's user sees and changes itself only; every other customer is unknown to it."""

from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.customers.schemas import CustomerIn, CustomerOut, CustomerPatch, OrganizationId
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import EMAIL_MAX
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(tags=["customers"])

CustomerPath = Annotated[str, Path(alias="id", max_length=255, description="`cus_…`, a UUID, or the organization id.")]


@router.post("/api/customers", status_code=201)
async def create(session: Session, body: CustomerIn) -> Envelope[CustomerOut]:
    [made] = await customers.create(session.tx, customers=[body.from_wire(session.tenant_id)], now=session.now)
    return ok(CustomerOut.to_wire(made))


@router.get("/api/customers")
async def read_many(
    session: Session,
    query: PageParams,
    email: Annotated[str | None, Query(max_length=EMAIL_MAX, description="The whole address.")] = None,
    organization_id: Annotated[OrganizationId | None, Query(description="What your product calls it.")] = None,
) -> ListEnvelope[CustomerOut]:
    page = await customers.listing(
        session.tx,
        query=query,
        email=email,
        organization_id=organization_id,
        customer_id=session.customer_filter,
    )
    return listed(page, CustomerOut.to_wire)


@router.get("/api/customers/{id}")
async def read_one(session: Session, customer: CustomerPath) -> Envelope[CustomerOut]:
    found = await customers.find(session.tx, text=customer, only=session.customer_filter)
    return ok(CustomerOut.to_wire(found))


@router.patch("/api/customers/{id}")
async def update(session: Session, customer: CustomerPath, body: CustomerPatch) -> Envelope[CustomerOut]:
    found = await customers.find(session.tx, text=customer, only=session.customer_filter)
    changed = await customers.update(session.tx, customer_id=found.id, changes=body.from_wire(), now=session.now)
    return ok(CustomerOut.to_wire(changed))
