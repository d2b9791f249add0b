"""Payments over HTTP. A customer's user sees its own only; paying itself is a matter of orders."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.payments import service
from guilder.domain.payments.model import Status
from guilder.domain.payments.schemas.methods import GatewayName
from guilder.domain.payments.schemas.payments import (
    InvoiceRef,
    PaymentOut,
    PaymentRef,
    StateOut,
    state_to_wire,
    to_wire,
)
from guilder.kernel.errors import Invalid
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery, Instant
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["payments"])


class FailedHasOneStatus(Invalid):
    """What failed was declined: no other status can be asked for beside it."""

    code = "failed_has_one_status"


@router.get("/payments")
async def list_payments(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    invoice_id: Annotated[InvoiceRef | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    gateway: Annotated[GatewayName | None, Query(description="What the provider is called here: `stripe`.")] = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to")] = None,
    failed: Annotated[bool, Query(description="Only those that were declined.")] = False,
) -> ListEnvelope[PaymentOut]:
    """List every attempt to collect, newest first; those requested from `from` up to but not including `to`."""
    if failed and status not in (None, Status.DECLINED):
        raise FailedHasOneStatus(field="status")
    found = await service.history(
        session.tx,
        query=page,
        customer_id=await customers.about(session.tx, text=customer_id, only=session.customer_filter),
        invoice_id=invoice_id,
        status=Status.DECLINED if failed else status,
        gateway=gateway,
        since=since,
        until=until,
    )
    return listed(found, to_wire)


@router.get("/payments/{payment_id}")
async def get_payment(session: Session, payment_id: PaymentRef) -> Envelope[PaymentOut]:
    return ok(to_wire(await service.one(session.tx, payment_id=payment_id, customer_id=session.customer_filter)))


@router.get("/payments/{payment_id}/states")
async def list_states(session: Session, payment_id: PaymentRef) -> Envelope[list[StateOut]]:
    """Show every state that a payment was in, and since when."""
    found = await service.states(session.tx, payment_id=payment_id, customer_id=session.customer_filter)
    return ok([state_to_wire(each) for each in found])
