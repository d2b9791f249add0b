"""Drafts: what a period, a product or a named amount is billed as, with the reasons in it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Collection
from guilder.domain.catalog.rules import rating
from guilder.domain.invoicing.model import Draft, LineKind, NewLine
from guilder.domain.subscriptions.model import Rolled, Segment, Subscription, Terms
from guilder.domain.subscriptions.rules import shares
from guilder.domain.subscriptions.rules.shares import Measure
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Period


def fee_item(subscription_id: UUID, period: Period) -> str:
    """Name the thing that a period's fee bills: the same whoever bills it, and whenever."""
    return f"sub:{subscription_id}:fee:{period.starts_at.isoformat()}"


def fee_line(
    subscription: Subscription, terms: Terms, period: Period, *, full: Period | None = None, in_arrears: bool = False
) -> NewLine:
    """Bill the fee of a period; of a stub, the part that it is of the full period that holds it."""
    full = full or _full_period(subscription, period)
    measure = _measure(subscription, terms, period, full)
    amount = terms.amount.times_half_up(measure.share)
    is_plain = terms.unit_amount * terms.quantity == amount
    return NewLine(
        kind=LineKind.RECURRING,
        description=terms.plan_name,
        amount=amount,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount if is_plain else None,
        period=period,
        subscription_id=subscription.id,
        plan_id=terms.plan_id,
        tax_category=terms.billing.tax_category,
        is_tax_inclusive=terms.billing.is_tax_inclusive,
        billed_item=fee_item(subscription.id, period),
        explanation={
            "rule": "flat_fee_in_arrears" if in_arrears else "flat_fee_in_advance",
            "plan": terms.plan_code,
            "plan_version": terms.plan_version,
            "unit_amount": terms.unit_amount.minor,
            "quantity": terms.quantity,
            "full_amount": terms.amount.minor,
            "amount": amount.minor,
            "period": _said(period),
            "anchor": subscription.anchor_at.isoformat(),
            "time_zone": subscription.time_zone,
            **_why_part(terms, measure, full, period),
            **_why_model(terms),
            "sentence": _fee_sentence(terms, measure, amount, in_arrears=in_arrears),
        },
    )


def first_period(subscription: Subscription, *, order_id: UUID | None, issued_at: datetime) -> Draft:
    """Bill the period that a subscription begins with."""
    line = fee_line(subscription, subscription.terms, subscription.current_period)
    return of_lines(subscription, [line], issued_at=issued_at, order_id=order_id)


def next_period(rolled: Rolled) -> Draft:
    """Bill the period that a due instant began, dated by that instant and not by when it was got to."""
    assert rolled.period is not None
    line = fee_line(rolled.subscription, rolled.terms, rolled.period)
    return of_lines(rolled.subscription, [line], issued_at=rolled.at, terms=rolled.terms)


def arrears_fee(subscription: Subscription, segment: Segment) -> NewLine:
    """Bill a fee whose time is over; of terms that changed on the way, the part that each of them had.

    Its name is not that of a fee in advance, which may have been billed, and given back, from the very same instant on.
    """
    line = fee_line(subscription, segment.terms, segment.period, full=segment.full_period, in_arrears=True)
    return replace(line, billed_item=f"{line.billed_item}:over")


def of_lines(
    subscription: Subscription,
    lines: Sequence[NewLine],
    *,
    issued_at: datetime,
    order_id: UUID | None = None,
    terms: Terms | None = None,
) -> Draft:
    """Make one draft of a subscription's lines, collected as its terms say."""
    terms = terms or subscription.terms
    return Draft(
        tenant_id=subscription.tenant_id,
        customer_id=subscription.customer_id,
        currency=terms.currency,
        lines=tuple(lines),
        issued_at=issued_at,
        subscription_id=subscription.id,
        order_id=order_id,
        payment_method_id=subscription.payment_method_id,
        plan_id=terms.plan_id,
        is_sent=terms.billing.collection is Collection.SEND,
        net_days=terms.billing.net_days if subscription.terms_days is None else subscription.terms_days,
    )


def caused(draft: Draft, cause: str) -> Draft:
    """Tell what a draft bills from what has the same name but for its cause."""
    if not cause:
        return draft
    return replace(draft, lines=tuple(replace(line, billed_item=f"{line.billed_item}:{cause}") for line in draft.lines))


def without(draft: Draft, taken: frozenset[str]) -> Draft:
    """Leave out what is billed already."""
    if not taken:
        return draft
    return replace(draft, lines=tuple(line for line in draft.lines if line.billed_item not in taken))


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


def _full_period(subscription: Subscription, period: Period) -> Period:
    is_stub = subscription.full_period is not None and subscription.current_period == period
    return subscription.full_period if is_stub and subscription.full_period else period


def _measure(subscription: Subscription, terms: Terms, period: Period, full: Period) -> Measure:
    return shares.measure(
        terms.billing.basis,
        part=period,
        full=full,
        interval=terms.interval,
        zone=ZoneInfo(subscription.time_zone),
        is_stub=True,
    )


def _said(period: Period) -> list[str]:
    return [period.starts_at.isoformat(), period.ends_at.isoformat()]


def _why_part(terms: Terms, measure: Measure, full: Period, period: Period) -> dict[str, object]:
    if period == full:
        return {}
    return {
        "full_period": _said(full),
        "basis": terms.billing.basis.value,
        "share": [measure.numerator, measure.denominator],
        "unit": measure.unit,
        "rounding": "half_up",
    }


def _why_model(terms: Terms) -> dict[str, object]:
    """Show how the quantity was priced, where it is not simply so much for each."""
    if terms.model is None:
        return {}
    rated = rating.rate(terms.model, quantity=Decimal(terms.quantity), currency=terms.currency)
    return {"model": terms.model.model.value, "steps": rated.walk(), "priced": rating.sentence(rated)}


def _fee_sentence(terms: Terms, measure: Measure, amount: Money, *, in_arrears: bool) -> str:
    quantity = f"{terms.quantity} x " if terms.quantity != 1 else ""
    price = f"{terms.amount} for {terms.quantity}" if terms.model else f"{quantity}{terms.unit_amount}"
    part = ""
    if measure.share != 1:
        part = f", of which {measure.share.numerator}/{measure.share.denominator} is {amount}"
    return f"{price} for {terms.plan_name}{part}, billed in {'arrears' if in_arrears else 'advance'}."
