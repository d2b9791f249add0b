"""Proration of a change within a period, by the second (see docs/design/proration.md for worked tables).

The part of what was billed that will not be used is credited, never more than is left uncredited of it; the rest of the
period is charged at the new price. Each of the two is rounded half-up, once; the net is their sum.
"""

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from guilder.domain.invoicing.model import LineKind, NewLine
from guilder.domain.subscriptions.model import Subscription, Terms
from guilder.kernel.money import Money
from guilder.kernel.period import Period


def credit_for_unused(billed: Money, left_to_credit: Money, period: Period, *, changed_at: datetime) -> Money:
    """Return what is owed back (zero or negative) for the part of `period` that will not be used."""
    unused = billed.times_half_up(period.share_left(changed_at))
    # Capped: a credit never exceeds what is left uncredited of what was billed.
    return -min(unused, left_to_credit)


def charge_for_rest(price: Money, period: Period, *, changed_at: datetime) -> Money:
    """Return what the rest of `period` costs at `price`."""
    return price.times_half_up(period.share_left(changed_at))


def lines(
    subscription: Subscription,
    terms: Terms,
    *,
    billed: Money,
    left_to_credit: Money,
    cause: str,
    changed_at: datetime,
) -> list[NewLine]:
    """Bill a change from the subscription's present terms to `terms` within its current period.

    `cause` names the change: with the period it makes what is billed unique. A change of interval begins a new period,
    whose fee is billed whole; only the credit is prorated then.
    """
    period = subscription.current_period
    if period.ends_at <= changed_at:
        return []  # of a suspended one the period may be over: nothing of it is left
    credit = credit_for_unused(billed, left_to_credit, period, changed_at=changed_at)
    made = [_credit_line(subscription, credit, period, cause=cause, changed_at=changed_at)]
    if terms.interval == subscription.terms.interval:
        made.append(_charge_line(subscription, terms, period, cause=cause, changed_at=changed_at))
    return [line for line in made if not line.amount.is_zero]


def _credit_line(
    subscription: Subscription, credit: Money, period: Period, *, cause: str, changed_at: datetime
) -> NewLine:
    old = subscription.terms
    return NewLine(
        kind=LineKind.PRORATION_CREDIT,
        description=f"Unused time on {old.plan_name}",
        amount=credit,
        period=_rest(period, changed_at),
        subscription_id=subscription.id,
        billed_item=f"sub:{subscription.id}:credit:{period.starts_at.isoformat()}:{cause}",
        explanation=_why("proration_credit", old.amount, period, changed_at, credit),
    )


def _charge_line(
    subscription: Subscription, terms: Terms, period: Period, *, cause: str, changed_at: datetime
) -> NewLine:
    charge = charge_for_rest(terms.amount, period, changed_at=changed_at)
    return NewLine(
        kind=LineKind.PRORATION_CHARGE,
        description=f"Remaining time on {terms.plan_name}",
        amount=charge,
        quantity=terms.quantity,
        period=_rest(period, changed_at),
        subscription_id=subscription.id,
        billed_item=f"sub:{subscription.id}:charge:{period.starts_at.isoformat()}:{cause}",
        explanation=_why("proration_charge", terms.amount, period, changed_at, charge),
    )


def _rest(period: Period, changed_at: datetime) -> Period:
    return replace(period, starts_at=max(changed_at, period.starts_at))


def _why(rule: str, full: Money, period: Period, changed_at: datetime, amount: Money) -> dict[str, object]:
    share: Fraction = period.share_left(changed_at)
    return {
        "rule": rule,
        "basis": "second",
        "full_amount": full.minor,
        "period": [period.starts_at.isoformat(), period.ends_at.isoformat()],
        "changed_at": changed_at.isoformat(),
        "share": [share.numerator, share.denominator],
        "rounding": "half_up",
        "sentence": f"{float_free_percent(share)} % of the period is left at {changed_at:%Y-%m-%d %H:%M} UTC: "
        f"{share.numerator}/{share.denominator} of {full} is {amount}.",
    }


def float_free_percent(share: Fraction) -> str:
    """Write a share in per cent with two digits, without ever being a float."""
    hundredths = round(share * 10_000)
    return f"{hundredths // 100}.{hundredths % 100:02}"
