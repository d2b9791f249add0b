"""How much can be given back, and what a tenant's policy grants of it.

Money and credit together never give more of an invoice back than came in for it: what is refunded, what a bank took,
and what was given back as credit (`withheld`) count each other. A refund that pays customer credit out is no second
gift: it is bounded by its payment alone. docs/design/refunds.md has the tables.
"""

from datetime import datetime, timedelta

from guilder.domain.payments.model import GivenBack, Payment, Refund, RefundPolicy
from guilder.kernel.money import Money

YEAR = timedelta(days=365)


def refundable(payment: Payment, back: GivenBack, withheld: Money) -> Money:
    """Return what can be refunded of a payment: what is left of it, and no more than is left of its invoice."""
    if payment.is_overpayment:
        return payment.refundable
    left = back.captured - back.refunded - back.disputed - withheld
    return max(min(payment.refundable, left), Money(0, left.currency))


def grants(
    policy: RefundPolicy, refund: Refund, *, paid_at: datetime | None, granted_in_year: int, now: datetime
) -> bool:
    """Say whether nobody needs to look at this, if nothing was used of what it paid for (where that matters)."""
    if not policy.auto_grant_days or paid_at is None or now - paid_at > timedelta(days=policy.auto_grant_days):
        return False
    if policy.per_customer_year is not None and granted_in_year >= policy.per_customer_year:
        return False
    return not policy.amounts_max or refund.amount.minor <= policy.amounts_max.get(refund.amount.currency, 0)
