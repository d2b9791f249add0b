"""Orders over HTTP: what changes a subscription, buys, or pays."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service
from guilder.domain.orders.model import Answer, OrderKind, OrderStatus
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.schemas import (
    ChangeIn,
    OrderIn,
    OrderOut,
    OrderRef,
    PlacedOut,
    RepaidOut,
    RepayIn,
    SubscribedOut,
    SubscribeIn,
    SubscriptionOut,
    SubscriptionRef,
    order_to_wire,
    placed_to_wire,
    repaid_to_wire,
    subscribed_to_wire,
    subscription_to_wire,
)
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.kernel.errors import Forbidden
from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Role
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

SUBSCRIBE = Permission("subscriptions:write", tenant=Role.BILLING, customer=Role.BILLING)
ORDER = Permission("orders:write", tenant=Role.BILLING, customer=Role.BILLING)
READ = Permission("orders:read", tenant=Role.MEMBER, customer=Role.MEMBER)
REPAY = Permission("payments:write", tenant=Role.BILLING, customer=Role.BILLING)

router = Router(tags=["orders"])

_FAILED = frozenset({PaymentStatus.DECLINED, PaymentStatus.CANCELED})


class NotYoursToSay(Forbidden):
    """A price or a trial is for the seller to say."""

    code = "not_yours_to_say"


@router.post("/api/subscriptions", permission=SUBSCRIBE, status_code=201)
async def subscribe(session: Session, body: SubscribeIn) -> Envelope[SubscribedOut]:
    """Subscribe an organization to a plan.

    Answers `processing` with a payment link; `trialing` or `active` where nothing is to be paid now; and with
    `Prefer: wait=N` and a saved payment method the state that is reached within N seconds.
    """
    _refuse_customers(session, "trial_days", body.trial_days)
    answer = await service.subscribe(
        session.tx,
        organization_id=body.organization_id,
        plan=body.plan_id,
        billing_cycle=body.billing_cycle,
        currency=body.currency,
        payment_method_id=body.payment_method_id,
        quantity=body.quantity,
        start=service.Start(trial_days=body.trial_days),
        asked=_asked(session, body.metadata),
        now=session.now,
    )
    _wait(session, answer)
    return ok(subscribed_to_wire(answer))


@router.put("/api/subscriptions/{subscription_id}", permission=SUBSCRIBE)
async def change(session: Session, subscription_id: SubscriptionRef, body: ChangeIn) -> Envelope[SubscribedOut]:
    """Change plan, cycle or quantity, the payment method, or whether it renews.

    An upgrade takes effect now, with what is left of the period prorated (by link: when that is paid); what would give
    money back, with the next period. Asking for what it has takes a pending change back.
    """
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
        wish = service.Wish(plan=body.plan_id, billing_cycle=body.billing_cycle, quantity=body.quantity, when=body.when)
        answer = await service.change(
            session.tx,
            subscription_id=subscription_id,
            wish=wish,
            asked=_asked(session, body.metadata),
            now=now,
        )
    if body.auto_renew is not None:
        changed = await service.auto_renew(
            session.tx, subscription_id=subscription_id, is_on=body.auto_renew, only=only, now=now
        )
        answer = _with_subscription(answer, changed)
    assert answer is not None, "the schema refuses what says nothing"
    return ok(subscribed_to_wire(answer))


@router.delete("/api/subscriptions/{subscription_id}", permission=SUBSCRIBE)
async def cancel(
    session: Session, subscription_id: SubscriptionRef, when: Annotated[When, Query()] = When.PERIOD_END
) -> Envelope[SubscriptionOut]:
    """End a subscription: when what is paid has run out, or now. Until its end, `auto_renew: true` takes that back."""
    ended = await service.cancel(
        session.tx,
        subscription_id=subscription_id,
        when=when,
        only=session.customer_filter,
        now=session.now,
    )
    assert ended.subscription is not None
    return ok(subscription_to_wire(ended.subscription))


@router.post("/api/orders", permission=ORDER, status_code=201)
async def place_order(session: Session, body: OrderIn) -> Envelope[PlacedOut]:
    """Sell a product, or charge an amount: with a saved payment method if one is named, else by the link answered."""
    return ok(placed_to_wire(await _order(session, body)))


@router.post("/pay", permission=ORDER, status_code=201)
async def pay(session: Session, body: OrderIn) -> Envelope[PlacedOut]:
    """Place an order in one call: a product or an amount, once, or again and again with `recurring`."""
    return ok(placed_to_wire(await _order(session, body)))


@router.get("/api/orders", permission=READ)
async def list_orders(
    session: Session,
    page: PageParams,
    customer: Annotated[str | None, Query(max_length=255)] = None,
    subscription_id: Annotated[SubscriptionRef | None, Query()] = None,
    status: Annotated[OrderStatus | None, Query()] = None,
    kind: Annotated[OrderKind | None, Query()] = None,
) -> ListEnvelope[OrderOut]:
    """List orders, newest first; of one customer (by id or organization id), subscription, status or kind, if asked."""
    customer_id = session.customer_filter
    if customer is not None:
        customer_id = (await customers.find(session.tx, text=customer, only=customer_id)).id
    found = await service.listing(
        session.tx, query=page, customer_id=customer_id, subscription_id=subscription_id, status=status, kind=kind
    )
    return listed(found, order_to_wire)


@router.get("/api/orders/{order_id}", permission=READ)
async def get_order(session: Session, order_id: OrderRef) -> Envelope[OrderOut]:
    return ok(order_to_wire(await service.one(session.tx, order_id=order_id, customer_id=session.customer_filter)))


@router.post("/api/invoices/{invoice_id}/pay", permission=REPAY)
async def repay(session: Session, invoice_id: str, body: RepayIn) -> Envelope[RepaidOut]:
    """Pay an open invoice (by id or number) again: with the saved payment method that is named, else by the link."""
    answer = await service.repay(
        session.tx,
        invoice=invoice_id,
        payment_method_id=body.payment_method_id,
        base_url=session.base_url,
        only=session.customer_filter,
        now=session.now,
    )
    return ok(repaid_to_wire(answer))


async def _order(session: RequestSession, body: OrderIn) -> Answer:
    _refuse_customers(session, "amount", body.amount)
    asked = _asked(session, body.metadata)
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


def _asked(session: RequestSession, metadata: dict[str, str]) -> service.Asked:
    return service.Asked(base_url=session.base_url, only=session.customer_filter, metadata=metadata)


def _refuse_customers(session: RequestSession, field: str, value: object) -> None:
    if value is not None and session.customer_filter is not None:
        raise NotYoursToSay(field=field)


def _with_subscription(answer: Answer | None, subscription: Subscription) -> Answer:
    if answer is None:
        return Answer(order=None, subscription=subscription)
    return replace(answer, subscription=subscription)


def _wait(session: RequestSession, answer: Answer) -> None:
    """With a saved method there is something to wait for: the subscription begins, or the payment is declined."""
    subscription, payment = answer.subscription, answer.payment
    if subscription is None or payment is None or payment.via is not Via.SAVED:
        return

    async def look(tx: Tx, now: datetime) -> Envelope[SubscribedOut] | None:
        current = await subscriptions.one(tx, ref=subscription.ref)
        paid_by = await payments.get(tx, refs=[payment.ref])
        is_declined = paid_by[payment.ref].status in _FAILED
        if current.status is Status.PROCESSING and not is_declined:
            return None
        assert answer.invoice is not None, "a payment is for an invoice"
        invoice = await invoicing.one(tx, invoice=answer.invoice.id)
        reached = replace(
            answer,
            subscription=current,
            invoice=invoice,
            payment=paid_by[payment.ref],
            payment_link=answer.payment_link if invoice.due.minor else None,
        )
        return ok(subscribed_to_wire(reached))

    session.wait_for(look)
