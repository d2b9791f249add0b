"""Payments over HTTP. A customer's user sees its own only; paying itself is a matter of orders."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.payments import service
from guilder.domain.payments.model import MethodStatus, Status
from guilder.domain.payments.schemas.payments import (
    CustomerRef,
    InvoiceRef,
    MethodIn,
    MethodOut,
    MethodRef,
    PaymentOut,
    PaymentRef,
    method_to_wire,
    to_wire,
)
from guilder.kernel.ids import CustomerId
from guilder.kernel.page import Page
from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Role
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

READ = Permission("payments:read", customer=Role.MEMBER)
METHODS_READ = Permission("payment_methods:read", customer=Role.MEMBER)
METHODS_WRITE = Permission("payment_methods:write", tenant=Role.BILLING, customer=Role.BILLING)

router = Router(prefix="/api", tags=["payments"])

CustomerPath = Annotated[str, Path(alias="id", max_length=255, description="`cus_…`, a UUID, or the organization id.")]


@router.get("/payments", permission=READ)
async def list_payments(
    session: Session,
    page: PageParams,
    customer_id: Annotated[CustomerRef | None, Query()] = None,
    invoice_id: Annotated[InvoiceRef | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
) -> ListEnvelope[PaymentOut]:
    """List every attempt to collect, newest first."""
    only = session.customer_filter
    if only is not None and customer_id not in (None, only):
        return listed(Page([]), to_wire)
    found = await service.history(
        session.tx,
        query=page,
        customer_id=only or (CustomerId(customer_id) if customer_id else None),
        invoice_id=invoice_id,
        status=status,
    )
    return listed(found, to_wire)


@router.get("/payments/{payment_id}", permission=READ)
async def get_payment(session: Session, payment_id: PaymentRef) -> Envelope[PaymentOut]:
    return ok(to_wire(await service.one(session.tx, payment_id=payment_id, customer_id=session.customer_filter)))


@router.get("/customers/{id}/payment-methods", permission=METHODS_READ)
async def list_methods(session: Session, customer: CustomerPath) -> Envelope[list[MethodOut]]:
    """List a customer's methods, newest first."""
    customer_id = await _customer(session, customer)
    return ok([method_to_wire(each) for each in await service.methods(session.tx, customer_id=customer_id)])


@router.post("/customers/{id}/payment-methods", permission=METHODS_WRITE, status_code=202)
async def add_method(session: Session, customer: CustomerPath, body: MethodIn) -> Envelope[MethodOut]:
    """Save a method. Its provider validates it first: it is `pending` until then; `Prefer: wait=N` waits for that."""
    customer_id = await _customer(session, customer)
    made = await service.add_method(
        session.tx,
        customer_id=customer_id,
        token=body.token,
        return_url=body.return_url or f"{session.base_url}/portal",
        now=session.now,
    )

    async def validated(tx: Tx, _: datetime) -> Envelope[MethodOut] | None:
        found = await service.methods(tx, customer_id=customer_id)
        known = next((each for each in found if each.id == made.id and each.status is not MethodStatus.PENDING), None)
        return ok(method_to_wire(known)) if known else None

    if body.token:
        session.wait_for(validated)
    return ok(method_to_wire(made))


@router.delete("/customers/{id}/payment-methods/{method_id}", permission=METHODS_WRITE)
async def remove_method(session: Session, customer: CustomerPath, method_id: MethodRef) -> Envelope[MethodOut]:
    """Forget a method."""
    customer_id = await _customer(session, customer)
    removed = await service.remove_method(session.tx, method_id=method_id, customer_id=customer_id, now=session.now)
    return ok(method_to_wire(removed))


@router.post("/customers/{id}/payment-methods/{method_id}/default", permission=METHODS_WRITE)
async def set_default_method(session: Session, customer: CustomerPath, method_id: MethodRef) -> Envelope[MethodOut]:
    """Charge this method from now on."""
    customer_id = await _customer(session, customer)
    chosen = await service.set_default_method(session.tx, method_id=method_id, customer_id=customer_id, now=session.now)
    return ok(method_to_wire(chosen))


async def _customer(session: RequestSession, text: str) -> CustomerId:
    return (await customers.find(session.tx, text=text, only=session.customer_filter)).id
