"""Payments over HTTP. A customer's user sees its own only; paying itself is a matter of orders."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.payments import service
from guilder.domain.payments.model import MethodStatus, NewRefund, RefundStatus, Status
from guilder.domain.payments.schemas import (
    CustomerRef,
    GrantIn,
    InvoiceRef,
    MethodIn,
    MethodOut,
    MethodRef,
    PaymentOut,
    PaymentRef,
    RefundAskIn,
    RefundIn,
    RefundOut,
    RefundPolicyIn,
    RefundPolicyOut,
    RefundRef,
    RefuseIn,
    method_to_wire,
    refund_to_wire,
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
ASK = Permission("refunds:ask", tenant=Role.BILLING, customer=Role.BILLING)
REFUNDS_READ = Permission("refunds:read", customer=Role.MEMBER)
REFUNDS_WRITE = Permission("refunds:write", tenant=Role.BILLING)
POLICY_WRITE = Permission("refunds:write", tenant=Role.ADMIN)

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


@router.post("/payments/{payment_id}/refund-requests", permission=ASK, status_code=201)
async def ask_refund(session: Session, payment_id: PaymentRef, body: RefundAskIn) -> Envelope[RefundOut]:
    """Ask for money back; staff, or the tenant's policy, says whether."""
    asked = NewRefund(payment_id=payment_id, reason=body.reason, amount_minor=body.amount)
    made = await service.ask_refund(session.tx, refund=asked, customer_id=session.customer_filter, now=session.now)
    return ok(refund_to_wire(made))


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


@router.get("/refunds", permission=REFUNDS_READ)
async def list_refunds(
    session: Session,
    page: PageParams,
    payment_id: Annotated[PaymentRef | None, Query()] = None,
    status: Annotated[RefundStatus | None, Query()] = None,
) -> ListEnvelope[RefundOut]:
    """List refunds, newest first; those that wait for a decision are `asked`."""
    found = await service.refunds(
        session.tx, query=page, customer_id=session.customer_filter, payment_id=payment_id, status=status
    )
    return listed(found, refund_to_wire)


@router.post("/refunds", permission=REFUNDS_WRITE, status_code=202)
async def make_refund(session: Session, body: RefundIn) -> Envelope[RefundOut]:
    """Give money back: all that is left of a payment, or a part."""
    return ok(refund_to_wire(await service.make_refund(session.tx, refund=body.to_model(), now=session.now)))


@router.get("/refund-policy", permission=REFUNDS_WRITE)
async def get_refund_policy(session: Session) -> Envelope[RefundPolicyOut]:
    return ok(RefundPolicyOut(auto_grant_days=await service.refund_policy(session.tx)))


@router.put("/refund-policy", permission=POLICY_WRITE)
async def set_refund_policy(session: Session, body: RefundPolicyIn) -> Envelope[RefundPolicyOut]:
    """Say which refunds are granted by themselves."""
    days = await service.set_refund_policy(session.tx, auto_grant_days=body.auto_grant_days, now=session.now)
    return ok(RefundPolicyOut(auto_grant_days=days))


@router.get("/refunds/{refund_id}", permission=REFUNDS_READ)
async def get_refund(session: Session, refund_id: RefundRef) -> Envelope[RefundOut]:
    found = await service.refund(session.tx, refund_id=refund_id, customer_id=session.customer_filter)
    return ok(refund_to_wire(found))


@router.post("/refunds/{refund_id}/grant", permission=REFUNDS_WRITE, status_code=202)
async def grant_refund(session: Session, refund_id: RefundRef, body: GrantIn) -> Envelope[RefundOut]:
    """Grant what a customer asked for."""
    granted = await service.grant_refund(session.tx, refund_id=refund_id, ends_access=body.ends_access, now=session.now)
    return ok(refund_to_wire(granted))


@router.post("/refunds/{refund_id}/refuse", permission=REFUNDS_WRITE)
async def refuse_refund(session: Session, refund_id: RefundRef, body: RefuseIn) -> Envelope[RefundOut]:
    """Say no to what a customer asked for."""
    refused = await service.refuse_refund(session.tx, refund_id=refund_id, reason=body.reason, now=session.now)
    return ok(refund_to_wire(refused))


async def _customer(session: RequestSession, text: str) -> CustomerId:
    return (await customers.find(session.tx, text=text, only=session.customer_filter)).id
