"""Customer credit and discounts over HTTP: customers see their own, the tenant's billing staff gives and takes."""

from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service
from guilder.domain.invoicing.schemas.credit import (
    CreditIn,
    CreditOut,
    DiscountOut,
    DiscountRef,
    PaidOutOut,
    PayOutIn,
)
from guilder.domain.invoicing.schemas.invoices import CustomerName
from guilder.kernel.money import Money
from guilder.kernel.page import Page
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["credit"])


@router.get("/credits", may_lag=True)
async def list_credits(session: Session, customer_id: Annotated[CustomerName, Query()]) -> ListEnvelope[CreditOut]:
    """List a customer's credit, in the order in which it pays invoices."""
    customer = await customers.find(session.tx, text=customer_id, only=session.customer_filter, field="customer_id")
    return listed(Page(await service.credits_of(session.tx, customer_id=customer.id)), CreditOut.to_wire)


@router.post("/credits", status_code=201)
async def grant_credit(session: Session, body: CreditIn) -> Envelope[CreditOut]:
    """Give a customer credit, which pays its next invoices."""
    customer = await customers.find(session.tx, text=body.customer_id, field="customer_id")
    granted = await service.grant_credit(
        session.tx,
        customer_id=customer.id,
        amount=Money(body.amount, body.currency),
        reason=body.reason,
        now=session.now,
    )
    return ok(CreditOut.to_wire(granted))


@router.post("/credits/pay-out", status_code=201)
async def pay_out_credit(session: Session, body: PayOutIn) -> ListEnvelope[PaidOutOut]:
    """Pay a customer's credit out, by refunds of what it paid, the newest payment first."""
    customer = await customers.find(session.tx, text=body.customer_id, field="customer_id")
    refunds = await service.pay_out_credit(
        session.tx,
        customer_id=customer.id,
        currency=body.currency,
        amount=Money(body.amount, body.currency) if body.amount else None,
        reason=body.reason,
        now=session.now,
    )
    return listed(Page(refunds), PaidOutOut.to_wire)


@router.get("/discounts", may_lag=True)
async def list_discounts(session: Session, customer_id: Annotated[CustomerName, Query()]) -> ListEnvelope[DiscountOut]:
    """List what a customer has redeemed, in the order in which it is applied."""
    customer = await customers.find(session.tx, text=customer_id, only=session.customer_filter, field="customer_id")
    return listed(Page(await service.discounts(session.tx, customer_id=customer.id)), DiscountOut.to_wire)


@router.post("/discounts/{id}/end")
async def end_discount(
    session: Session, discount_id: Annotated[DiscountRef, Path(alias="id")]
) -> Envelope[DiscountOut]:
    """Take nothing more off from here on."""
    ended = await service.end_discount(session.tx, discount_id=discount_id, now=session.now)
    return ok(DiscountOut.to_wire(ended))
