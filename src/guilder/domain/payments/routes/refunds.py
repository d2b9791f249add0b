"""Refunds over HTTP: customers ask for their money back, the tenant's staff gives it, says no, and says what is granted
by itself."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from guilder.domain.payments import service
from guilder.domain.payments.model import NewRefund, RefundReason, RefundStatus
from guilder.domain.payments.schemas.payments import PaymentRef
from guilder.domain.payments.schemas.refunds import (
    GrantIn,
    RefundAskIn,
    RefundIn,
    RefundOut,
    RefundPolicyIn,
    RefundPolicyOut,
    RefundRef,
    RefuseIn,
    policy_to_wire,
    refund_to_wire,
)
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["refunds"])


@router.post("/payments/{payment_id}/refund-requests", status_code=201)
async def ask_refund(session: Session, payment_id: PaymentRef, body: RefundAskIn) -> Envelope[RefundOut]:
    """Ask for money back; staff, or the tenant's policy, says whether."""
    asked = NewRefund(
        payment_id=payment_id, reason=body.reason, amount_minor=body.amount, reason_code=RefundReason.REQUESTED
    )
    made = await service.ask_refund(session.tx, refund=asked, customer_id=session.customer_filter, now=session.now)
    return ok(refund_to_wire(made))


@router.get("/refunds")
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


@router.post("/refunds", status_code=202, waits=True)
async def make_refund(session: Session, body: RefundIn) -> Envelope[RefundOut]:
    """Give money back: all that is left of a payment, or a part.

    What is more than one person may give alone stays `asked`, until another person grants it. `Prefer: wait=N` waits
    for the provider's answer.
    """
    made = await service.make_refund(session.tx, refund=body.to_model(), now=session.now)

    async def answered(tx: Tx, _now: datetime) -> Envelope[RefundOut] | None:
        found = await service.refund(tx, refund_id=made.id)
        return None if found.status is RefundStatus.PENDING else ok(refund_to_wire(found))

    session.wait_for(answered)
    return ok(refund_to_wire(made))


@router.get("/refund-policy")
async def get_refund_policy(session: Session) -> Envelope[RefundPolicyOut]:
    return ok(policy_to_wire(await service.refund_policy(session.tx)))


@router.put("/refund-policy")
async def set_refund_policy(session: Session, body: RefundPolicyIn) -> Envelope[RefundPolicyOut]:
    """Say which refunds are granted by themselves."""
    return ok(policy_to_wire(await service.set_refund_policy(session.tx, policy=body.to_model(), now=session.now)))


@router.get("/refunds/{refund_id}")
async def get_refund(session: Session, refund_id: RefundRef) -> Envelope[RefundOut]:
    found = await service.refund(session.tx, refund_id=refund_id, customer_id=session.customer_filter)
    return ok(refund_to_wire(found))


@router.post("/refunds/{refund_id}/grant", status_code=202)
async def grant_refund(session: Session, refund_id: RefundRef, body: GrantIn) -> Envelope[RefundOut]:
    """Grant what a customer asked for, or what another person of the business did.

    Where it takes two persons and yours is the first yes, it stays `asked`.
    """
    granted = await service.grant_refund(
        session.tx, refund_id=refund_id, ends_access=body.ends_access, credit_note=body.credit_note, now=session.now
    )
    return ok(refund_to_wire(granted))


@router.post("/refunds/{refund_id}/refuse")
async def refuse_refund(session: Session, refund_id: RefundRef, body: RefuseIn) -> Envelope[RefundOut]:
    """Say no to what a customer asked for."""
    refused = await service.refuse_refund(session.tx, refund_id=refund_id, reason=body.reason, now=session.now)
    return ok(refund_to_wire(refused))
