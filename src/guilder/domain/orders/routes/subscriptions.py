"""Subscribing, changing, pausing and ending over HTTP, and the previews of all of these."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import ValidationError

from guilder.domain.catalog.model import Unused
from guilder.domain.orders import service
from guilder.domain.orders.model import Answer
from guilder.domain.orders.routes.common import asked_by, wait_for_payment
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.rules.starting import AddOnGrid, PastPeriods
from guilder.domain.orders.schemas.asking import CancelIn, ChangeIn, PreviewIn, SubscribeIn
from guilder.domain.orders.schemas.fields import Planned, SubscriptionRef
from guilder.domain.orders.schemas.previews import PreviewOut, preview_to_wire
from guilder.domain.orders.schemas.subscriptions import SubscribedOut, subscribed_to_wire
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.schemas import SubscriptionOut, subscription_to_wire
from guilder.kernel.errors import Refusal
from guilder.kernel.noun import replace
from guilder.platform.db.gathering import Size
from guilder.platform.db.tx import Tx
from guilder.platform.http import parsing
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.gathering import Asks
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session
from guilder.platform.http.withheld import FieldNotYours

# So many are begun in less than a second; who comes first waits as long as who comes last.
SIGN_UPS_MAX = 64

router = Router(tags=["orders"])


class _SignUps:
    """Organizations that subscribe at the same time, begun and billed in one transaction."""

    size = Size(group=SIGN_UPS_MAX, at_once=4, waiting=1_000)
    status = 201

    def read(self, body: bytes) -> SubscribeIn | None:
        try:
            read = SubscribeIn.model_validate(parsing.parse(body))
        except (Refusal, ValidationError):
            return None
        # A code is held until the commit, and every other group that redeems it would wait. What began in the past brings
        # bills that are read back one by one.
        return read if read.promo_code is None and read.starts_at is None else None

    def weight(self, read: SubscribeIn) -> int:
        return 1

    async def write(self, tx: Tx, group: Sequence[Asks], *, now: datetime) -> list[bytes | None]:
        sign_ups = [
            _sign_up(
                each.read,
                service.Asked(
                    base_url=each.base_url,
                    only=each.who.customer_id,
                    metadata=each.read.metadata,
                    request_id=each.request_id,
                    traceparent=each.traceparent,
                ),
            )
            for each in group
        ]
        outcomes = await service.subscribe_each(tx, sign_ups=sign_ups, waits=False, now=now)
        return [
            ok(subscribed_to_wire(each)).model_dump_json().encode() if isinstance(each, Answer) else None
            for each in outcomes
        ]


@router.post("/api/subscriptions", status_code=_SignUps.status, gathered=_SignUps(), waits=True)
async def subscribe(session: Session, body: SubscribeIn) -> Envelope[SubscribedOut]:
    """Subscribe an organization to a plan.

    Answers `processing` with a payment link; `scheduled`, `trialing` or `active` where nothing is to be paid now; and
    with `Prefer: wait=N` and a saved payment method the state that is reached within N seconds.
    """
    answer = await _subscribe(session, body)
    wait_for_payment(session, answer, subscribed_to_wire)
    return ok(subscribed_to_wire(answer))


@router.post("/api/subscriptions/preview")
async def preview_subscribing(session: Session, body: SubscribeIn) -> Envelope[PreviewOut]:
    """Show what subscribing would bill, to the cent, and make nothing. Ids in the answer are not promised."""
    return ok(preview_to_wire(await service.preview(session.tx, lambda: _subscribe(session, body))))


@router.put("/api/subscriptions/{subscription_id}", waits=True)
async def change(session: Session, subscription_id: SubscriptionRef, body: ChangeIn) -> Envelope[SubscribedOut]:
    """Change plan, cycle or quantity, the payment method, or whether it renews.

    An upgrade takes effect now, with what is left of the period prorated (by link: when that is paid); what would give
    money back, with the next period, unless `when: now` is said: then it is a credit note, and becomes credit. Asking
    for what it has takes a pending change back. With a saved payment method `Prefer: wait=N` waits for the payment.
    """
    answer = await _change(session, subscription_id, body)
    wait_for_payment(session, answer, subscribed_to_wire)
    return ok(subscribed_to_wire(answer))


@router.post("/api/subscriptions/{subscription_id}/preview")
async def preview_change(session: Session, subscription_id: SubscriptionRef, body: PreviewIn) -> Envelope[PreviewOut]:
    """Show what a change, or a cancellation, would bill and give back, to the cent, and make nothing."""

    async def do() -> Answer:
        if body.cancel is not None:
            return await _cancel(session, subscription_id, body.cancel)
        return await _change(session, subscription_id, body)

    return ok(preview_to_wire(await service.preview(session.tx, do)))


@router.get("/api/subscriptions/{subscription_id}/next-invoice")
async def next_invoice(session: Session, subscription_id: SubscriptionRef) -> Envelope[PreviewOut]:
    """Show what the next due date brings, as things stand now: fees, use so far, discounts, credit."""
    shown = await service.next_invoice(
        session.tx, subscription_id=subscription_id, only=session.customer_filter, now=session.now
    )
    return ok(preview_to_wire(shown))


@router.delete("/api/subscriptions/{subscription_id}/pending-change")
async def revoke_change(session: Session, subscription_id: SubscriptionRef) -> Envelope[SubscriptionOut]:
    """Take back a change that is still to come, or that waits for its payment."""
    kept = await service.revoke_change(
        session.tx, subscription_id=subscription_id, only=session.customer_filter, now=session.now
    )
    return ok(subscription_to_wire(kept))


@router.delete("/api/subscriptions/{subscription_id}")
async def cancel(
    session: Session,
    subscription_id: SubscriptionRef,
    when: Annotated[When | None, Query()] = None,
    at: Annotated[Planned | None, Query()] = None,
    unused: Annotated[Unused | None, Query()] = None,
) -> Envelope[SubscriptionOut]:
    """End a subscription: when what is paid has run out, now, or `at` a date. Until then `auto_renew: true` takes that
    back. Ended now, what is paid and `unused` is lost, becomes credit, or is refunded: left out, as the plan says."""
    answer = await _cancel(session, subscription_id, CancelIn(when=when, at=at, unused=unused))
    assert answer.subscription is not None
    return ok(subscription_to_wire(answer.subscription))


async def _subscribe(session: RequestSession, body: SubscribeIn) -> Answer:
    if session.customer_filter is not None and body.starts_at is not None and body.starts_at < session.now:
        # To begin later is for a customer to say; to have begun earlier, and to have it billed, is not.
        raise FieldNotYours(field="starts_at")
    sign_up = _sign_up(body, asked_by(session, body.metadata))
    return await service.subscribe(session.tx, sign_up=sign_up, now=session.now)


def _sign_up(body: SubscribeIn, asked: service.Asked) -> service.SignUp:
    return service.SignUp(
        organization_id=body.organization_id,
        plan=body.plan_id,
        billing_cycle=body.billing_cycle,
        currency=body.currency,
        payment_method_id=body.payment_method_id,
        quantity=body.quantity,
        start=service.Start(
            starts_at=body.starts_at,
            past_periods=body.past_periods or PastPeriods.BILL,
            trial_days=body.trial_days,
            trial_ends_at=body.trial_ends_at,
            trial_needs_method=body.trial_needs_method,
        ),
        own=body.to_own(),
        beside=service.Beside(parent_id=body.parent_id, grid=body.alignment or AddOnGrid.OWN)
        if body.parent_id
        else None,
        promo_code=body.promo_code,
        asked=asked,
    )


async def _change(session: RequestSession, subscription_id: SubscriptionRef, body: ChangeIn) -> Answer:
    only, now = session.customer_filter, session.now
    answer: Answer | None = None
    if body.payment_method_id is not None:
        changed = await service.use_method(
            session.tx,
            subscription_id=subscription_id,
            payment_method_id=body.payment_method_id,
            only=only,
            now=now,
        )
        answer = Answer(order=None, subscription=changed)
    if body.changes_terms:
        wish = service.Wish(
            plan=body.plan_id,
            billing_cycle=body.billing_cycle,
            quantity=body.quantity,
            when=body.when,
            effective_at=body.effective_at,
            anchor=body.anchor,
            to_newest_version=body.plan_version is not None,
        )
        answer = await service.change(
            session.tx,
            subscription_id=subscription_id,
            wish=wish,
            asked=asked_by(session, body.metadata),
            now=now,
        )
    if body.auto_renew is not None:
        changed = await service.auto_renew(
            session.tx, subscription_id=subscription_id, is_on=body.auto_renew, only=only, now=now
        )
        answer = _with_subscription(answer, changed)
    assert answer is not None, "the schema refuses what says nothing"
    return answer


async def _cancel(session: RequestSession, subscription_id: SubscriptionRef, body: CancelIn) -> Answer:
    return await service.cancel(
        session.tx,
        subscription_id=subscription_id,
        when=body.when,
        at=body.at,
        unused=body.unused,
        only=session.customer_filter,
        now=session.now,
    )


def _with_subscription(answer: Answer | None, subscription: Subscription) -> Answer:
    if answer is None:
        return Answer(order=None, subscription=subscription)
    return replace(answer, subscription=subscription)
