"""Drafts: what a period, a product or a named amount is billed as, with the reasons in it."""

from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import Draft, LineKind, NewLine
from guilder.domain.subscriptions.model import Rolled, Subscription, Terms
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period


def fee_item(subscription_id: UUID, period: Period) -> str:
    """Name the thing that a period's fee bills: the same whoever bills it, and whenever."""
    return f"sub:{subscription_id}:fee:{period.starts_at.isoformat()}"


def fee_line(subscription: Subscription, terms: Terms, period: Period) -> NewLine:
    quantity = f"{terms.quantity} x " if terms.quantity != 1 else ""
    return NewLine(
        kind=LineKind.RECURRING,
        description=terms.plan_name,
        amount=terms.amount,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount,
        period=period,
        subscription_id=subscription.id,
        billed_item=fee_item(subscription.id, period),
        explanation={
            "rule": "flat_fee_in_advance",
            "plan": terms.plan_code,
            "plan_version": terms.plan_version,
            "unit_amount": terms.unit_amount.minor,
            "quantity": terms.quantity,
            "period": [period.starts_at.isoformat(), period.ends_at.isoformat()],
            "anchor": subscription.anchor_at.isoformat(),
            "time_zone": subscription.time_zone,
            "sentence": f"{quantity}{terms.unit_amount} for {terms.plan_name}, billed in advance.",
        },
    )


def first_period(subscription: Subscription, *, order_id: UUID | None, issued_at: datetime) -> Draft:
    """Bill the period that a subscription begins with."""
    return _fee(subscription, subscription.terms, subscription.current_period, order_id=order_id, issued_at=issued_at)


def next_period(rolled: Rolled) -> Draft:
    """Bill the period that a due instant began, dated by that instant and not by when it was got to."""
    assert rolled.period is not None
    return _fee(rolled.subscription, rolled.terms, rolled.period, order_id=None, issued_at=rolled.at)


def _fee(
    subscription: Subscription, terms: Terms, period: Period, *, order_id: UUID | None, issued_at: datetime
) -> Draft:
    return Draft(
        tenant_id=subscription.tenant_id,
        customer_id=subscription.customer_id,
        currency=terms.unit_amount.currency,
        lines=(fee_line(subscription, terms, period),),
        issued_at=issued_at,
        subscription_id=subscription.id,
        order_id=order_id,
        payment_method_id=subscription.payment_method_id,
    )


def one_off(
    *,
    tenant_id: TenantId,
    customer_id: CustomerId,
    order_id: UUID,
    description: str,
    amount: Money,
    product_id: UUID | None,
    payment_method_id: UUID | None,
    issued_at: datetime,
) -> Draft:
    """Bill a product, or an amount that somebody named."""
    line = NewLine(
        kind=LineKind.PRODUCT if product_id else LineKind.CHARGE,
        description=description,
        amount=amount,
        quantity=1,
        unit_amount=amount,
        product_id=product_id,
        billed_item=f"order:{order_id}:1",
        explanation={
            "rule": "one_off",
            "unit_amount": amount.minor,
            "quantity": 1,
            "sentence": f"{amount} for {description}, once.",
        },
    )
    return Draft(
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        lines=(line,),
        issued_at=issued_at,
        order_id=order_id,
        payment_method_id=payment_method_id,
    )
