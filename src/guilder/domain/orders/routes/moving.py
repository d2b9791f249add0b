"""Pausing, resuming, longer trials, billing days and promo codes over HTTP."""

from guilder.domain.invoicing.schemas.credit import DiscountOut
from guilder.domain.orders import service
from guilder.domain.orders.routes.common import wait_for_payment
from guilder.domain.orders.schemas.asking import BillingDayIn, ExtendTrialIn, PauseIn, RedeemIn, ResumeIn
from guilder.domain.orders.schemas.fields import DiscountRef, SubscriptionRef
from guilder.domain.orders.schemas.subscriptions import SubscribedOut, subscribed_to_wire
from guilder.domain.subscriptions.schemas import SubscriptionOut, subscription_to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api/subscriptions/{subscription_id}", tags=["orders"])


@router.post("/pause")
async def pause(session: Session, subscription_id: SubscriptionRef, body: PauseIn) -> Envelope[SubscribedOut]:
    """Stop a subscription and its add-ons, now or when the period ends, until they are resumed, or until a date.

    Time paused is not charged. Paid time left is kept for later, or becomes credit, as the plan says.
    """
    answer = await service.pause(
        session.tx,
        subscription_id=subscription_id,
        when=body.when,
        resume_at=body.resume_at,
        only=session.customer_filter,
        now=session.now,
    )
    return ok(subscribed_to_wire(answer))


@router.post("/resume", waits=True)
async def resume(session: Session, subscription_id: SubscriptionRef, body: ResumeIn) -> Envelope[SubscribedOut]:
    """Let a subscription go on, now or at a date; or take back a pause that is still to come.

    Where that is to be paid, by a saved payment method, `Prefer: wait=N` waits for the payment.
    """
    answer = await service.resume(
        session.tx,
        subscription_id=subscription_id,
        at=body.at,
        base_url=session.base_url,
        only=session.customer_filter,
        now=session.now,
    )
    wait_for_payment(session, answer, subscribed_to_wire)
    return ok(subscribed_to_wire(answer))


@router.post("/extend-trial")
async def extend_trial(
    session: Session, subscription_id: SubscriptionRef, body: ExtendTrialIn
) -> Envelope[SubscriptionOut]:
    """Let a trial end later."""
    extended = await service.extend_trial(
        session.tx, subscription_id=subscription_id, until=body.until, now=session.now
    )
    return ok(subscription_to_wire(extended))


@router.post("/billing-day")
async def move_billing_day(
    session: Session, subscription_id: SubscriptionRef, body: BillingDayIn
) -> Envelope[SubscriptionOut]:
    """Let periods begin on another date. What is paid stays as it is; a part of a period runs to the new date."""
    moved = await service.move_billing_day(
        session.tx,
        subscription_id=subscription_id,
        alignment=body.alignment,
        billing_day=body.billing_day,
        only=session.customer_filter,
        now=session.now,
    )
    return ok(subscription_to_wire(moved))


@router.post("/discounts", status_code=201)
async def redeem(session: Session, subscription_id: SubscriptionRef, body: RedeemIn) -> Envelope[DiscountOut]:
    """Redeem a promo code for a subscription: from its next invoice on it takes something off."""
    made = await service.redeem(session.tx, subscription_id=subscription_id, code=body.code, now=session.now)
    return ok(DiscountOut.to_wire(made))


@router.get("/discounts")
async def list_discounts(session: Session, subscription_id: SubscriptionRef) -> Envelope[list[DiscountOut]]:
    """List what is taken off the invoices of a subscription, in order; what is over too."""
    found = await service.discounts(session.tx, subscription_id=subscription_id, only=session.customer_filter)
    return ok([DiscountOut.to_wire(each) for each in found])


@router.delete("/discounts/{discount_id}")
async def end_discount(
    session: Session, subscription_id: SubscriptionRef, discount_id: DiscountRef
) -> Envelope[DiscountOut]:
    """Take nothing more off from here on. What is off invoices stays off."""
    ended = await service.end_discount(
        session.tx, subscription_id=subscription_id, discount_id=discount_id, now=session.now
    )
    return ok(DiscountOut.to_wire(ended))


@router.get("/add-ons")
async def list_add_ons(session: Session, subscription_id: SubscriptionRef) -> Envelope[list[SubscriptionOut]]:
    """List what belongs to a subscription; what has ended too."""
    found = await service.add_ons(session.tx, subscription_id=subscription_id, only=session.customer_filter)
    return ok([subscription_to_wire(each) for each in found])
