"""What a subscription grants, worked out from how it stands: heard in any order, it comes to the same."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from uuid import uuid5

from guilder.domain.catalog.model import Plan
from guilder.domain.entitlements.model import Grant, GrantKind, Purchase, Revocation
from guilder.domain.entitlements.rules import limits
from guilder.domain.entitlements.rules.standing import takes
from guilder.domain.invoicing.model import Invoice, LineKind
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

_TIME = frozenset({LineKind.RECURRING, LineKind.PRORATION_CHARGE})


def of_subscription(subscription: Subscription, plan: Plan | None, before: Grant | None) -> Grant | None:
    """Return the grant as it should be now; None where there never was one and none is due.

    What waits for its date or its first payment grants nothing: a pending payment is not a paid one.
    """
    if subscription.status in (Status.SCHEDULED, Status.PROCESSING) or (
        before is None and subscription.ended_at is not None
    ):
        return None
    period = subscription.current_period
    ends_on_date = subscription.cancel_at is not None and subscription.cancel_at <= period.ends_at
    is_last = subscription.cancel_at_period_end or ends_on_date
    return Grant(
        tenant_id=subscription.tenant_id,
        customer_id=subscription.customer_id,
        kind=GrantKind.SUBSCRIPTION,
        source_id=subscription.id,
        code=subscription.terms.plan_code,
        version=subscription.terms.plan_version,
        valid_from=before.valid_from if before else period.starts_at,
        valid_until=subscription.ended_at or min(period.ends_at, subscription.cancel_at or period.ends_at),
        features=tuple((each.code, each.value) for each in plan.features) if plan else (),
        limits=limits.of_period(plan, period, before) if plan else (),
        period_starts_at=period.starts_at,
        is_renewing=subscription.ended_at is None and not is_last,
        is_suspended=subscription.status in (Status.SUSPENDED, Status.PAUSED),
        ended_at=subscription.ended_at,
    )


def of_purchase(purchase: Purchase) -> Grant:
    return Grant(
        tenant_id=purchase.tenant_id,
        customer_id=purchase.customer_id,
        kind=GrantKind.PRODUCT,
        source_id=purchase.order_id,
        code=purchase.product_code,
        valid_from=purchase.bought_at,
        valid_until=purchase.access_until,
        invoice_id=purchase.invoice_id,
    )


def opens(before: Grant | None, after: Grant, revocations: Sequence[Revocation] = ()) -> bool:
    """Tell whether there is something to use now that was not there before: access, or another plan."""
    if not is_had(after, revocations):
        return False
    was_had = before is not None and is_had(before, revocations)
    return not was_had or before is None or (before.code, before.version) != (after.code, after.version)


def is_paid_again(revocation: Revocation, invoice: Invoice, *, at: datetime) -> bool:
    """Tell whether an invoice that was paid at an instant bills the time anew that a refund had taken back by then."""
    until = revocation.until
    if until is None or invoice.id == revocation.invoice_id or not revocation.since <= at < until:
        return False
    return any(
        line.kind in _TIME
        and line.amount.minor > 0
        and (line.subscription_id or invoice.subscription_id) == revocation.subscription_id
        and line.period is not None
        and line.period.ends_at >= until
        for line in invoice.lines
    )


def of_kept_time(revocations: Sequence[Revocation], periods: Sequence[Period]) -> list[Revocation]:
    """Return what of these is taken back anew: of a period that pauses moved, from one of `periods` to the next, whatever
    was taken back of the whole of the one before. Each is named by that, always the same; what ended meanwhile, since
    its time was paid for anew, goes no further."""
    known = {each.refund_id: each for each in revocations}
    made = []
    for period, following in pairwise(periods):
        for each in [each for each in known.values() if each.until == period.ends_at]:
            name = uuid5(each.refund_id, f"{each.subscription_id}:{following.starts_at.isoformat()}")
            if name not in known:
                known[name] = replace(each, refund_id=name, since=following.starts_at, until=following.ends_at)
                made.append(known[name])
    return made


def closes(before: Grant | None, after: Grant, revocations: Sequence[Revocation] = ()) -> bool:
    return before is not None and is_had(before, revocations) and not is_had(after, revocations)


def is_had(grant: Grant, revocations: Sequence[Revocation]) -> bool:
    """Tell whether a grant gives anything: nobody has closed it, and no refund took back all that is left of it."""
    return grant.is_open and not any(_takes_the_rest(each, grant) for each in revocations)


def _takes_the_rest(revocation: Revocation, grant: Grant) -> bool:
    if not takes(revocation, grant):
        return False
    return revocation.until is None or (grant.valid_until is not None and revocation.until >= grant.valid_until)
