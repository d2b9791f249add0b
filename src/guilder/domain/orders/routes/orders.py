"""Orders over HTTP: what buys, charges, and pays again."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.orders import service
from guilder.domain.orders.model import Answer, OrderKind, OrderStatus
from guilder.domain.orders.routes.common import asked_by, wait_for_payment
from guilder.domain.orders.schemas.fields import OrderRef, SubscriptionRef
from guilder.domain.orders.schemas.orders import (
    OrderIn,
    OrderOut,
    PlacedOut,
    RepaidOut,
    RepayIn,
    order_to_wire,
    placed_to_wire,
    repaid_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

router = Router(tags=["orders"])


@router.post("/api/orders", status_code=201, waits=True)
async def place_order(session: Session, body: OrderIn) -> Envelope[PlacedOut]:
    """Sell a product, or charge an amount: with a saved payment method if one is named, else by the link answered.

    With a saved one `Prefer: wait=N` waits for the payment.
    """
    return await _placed(session, body)


@router.post("/pay", status_code=201, waits=True)
async def pay(session: Session, body: OrderIn) -> Envelope[PlacedOut]:
    """Place an order in one call: a product or an amount, once, or again and again with `recurring`.

    With a saved payment method `Prefer: wait=N` waits for the payment.
    """
    return await _placed(session, body)


@router.get("/api/orders")
async def list_orders(
    session: Session,
    page: PageParams,
    customer: CustomerQuery = None,
    subscription_id: Annotated[SubscriptionRef | None, Query()] = None,
    status: Annotated[OrderStatus | None, Query()] = None,
    kind: Annotated[OrderKind | None, Query()] = None,
) -> ListEnvelope[OrderOut]:
    """List orders, newest first; of one customer (by id or organization id), subscription, status or kind, if asked."""
    customer_id = await customers.about(session.tx, text=customer, only=session.customer_filter, field="customer")
    found = await service.listing(
        session.tx, query=page, customer_id=customer_id, subscription_id=subscription_id, status=status, kind=kind
    )
    return listed(found, order_to_wire)


@router.get("/api/orders/{order_id}")
async def get_order(session: Session, order_id: OrderRef) -> Envelope[OrderOut]:
    return ok(order_to_wire(await service.one(session.tx, order_id=order_id, customer_id=session.customer_filter)))


@router.post("/api/invoices/{invoice_id}/pay", waits=True)
async def repay(session: Session, invoice_id: str, body: RepayIn) -> Envelope[RepaidOut]:
    """Pay an open invoice (by id or number) again: with the saved payment method that is named, else by the link.

    With a saved one `Prefer: wait=N` waits for the payment.
    """
    answer = await service.repay(
        session.tx,
        invoice=invoice_id,
        payment_method_id=body.payment_method_id,
        base_url=session.base_url,
        only=session.customer_filter,
        now=session.now,
    )
    wait_for_payment(session, answer, repaid_to_wire)
    return ok(repaid_to_wire(answer))


async def _placed(session: RequestSession, body: OrderIn) -> Envelope[PlacedOut]:
    answer = await _order(session, body)
    wait_for_payment(session, answer, placed_to_wire)
    return ok(placed_to_wire(answer))


async def _order(session: RequestSession, body: OrderIn) -> Answer:
    asked = asked_by(session, body.metadata)
    if body.product is not None:
        return await service.buy(
            session.tx,
            customer=body.customer,
            product=body.product,
            currency=body.currency,
            payment_method_id=body.payment_method_id,
            asked=asked,
            now=session.now,
        )
    return await service.pay(
        session.tx,
        customer=body.customer,
        amount=body.to_money(),
        description=body.description,
        recurring=body.to_recurring(),
        payment_method_id=body.payment_method_id,
        asked=asked,
        now=session.now,
    )
