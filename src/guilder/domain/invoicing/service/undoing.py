"""Taking back what was billed for a change that never took effect: what it was for has stopped before it was paid."""

from datetime import datetime
from fractions import Fraction
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Invoice, Line
from guilder.domain.invoicing.rules import correcting as rules
from guilder.domain.invoicing.rules.correcting import Back, Left
from guilder.domain.invoicing.rules.proration import full_period
from guilder.domain.invoicing.service import giving_back
from guilder.domain.invoicing.service.correcting import Correction, credit_note, issue, locked
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.rules import shares
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.db.tx import Tx

_BY_TIME = frozenset({Basis.SECOND, Basis.DAY, Basis.DAY_30})


async def take_back_change(
    tx: Tx, *, invoice_id: UUID, subscription: Subscription, reason: str, now: datetime
) -> Invoice | None:
    """Take back with a credit note what is left of an invoice for a change; None: nothing is.

    Where the subscription stopped, and that gave back what the change charges for the time after, the rest is of the time
    until then: for that the change is undone, and what it gave back of the time after stays given.
    """
    invoice = await locked(tx, invoice_id)
    left = rules.left_of(invoice, await store.credited(tx, [invoice.ref]))
    back = rules.until(left, lambda line: _used(line, subscription)) if _was_cut_off(left, subscription) else []
    given = await giving_back.standing_with_own(tx, invoice=invoice)
    # What is taken back of its own credits pays for nothing of it any more.
    given = replace(given, paid=given.paid + sum(min(each.net + each.tax, 0) for each in back))
    if 0 < _sum(back) <= min(given.left, invoice.total.minor - await store.noted(tx, invoice.ref)):
        draft = rules.draft_of(invoice, back, cause=ids.new(now), reason=reason, now=now)
        return await issue(tx, invoice=invoice, draft=draft, given=given, correction=Correction(reason=reason), now=now)
    if _sum(rules.whole(left)) <= 0:
        return None  # what was not used of it was given back: all that it came to, or more
    return await credit_note(tx, invoice_id=invoice.id, correction=Correction(reason=reason), by_two=True, now=now)


def _was_cut_off(left: list[Left], subscription: Subscription) -> bool:
    is_by_time = subscription.terms.billing.basis in _BY_TIME
    return is_by_time and any(0 <= each.net < each.line.amount.minor for each in left)


def _used(line: Line, subscription: Subscription) -> Fraction:
    """Return which part of a line's time was over when its subscription stopped."""
    stopped_at = subscription.ended_at or subscription.paused_at
    if line.period is None or stopped_at is None or stopped_at >= line.period.ends_at:
        return Fraction(1)
    if stopped_at <= line.period.starts_at:
        return Fraction(0)
    of = partial(
        shares.measure,
        subscription.terms.billing.basis,
        full=full_period(subscription),
        interval=subscription.terms.interval,
        zone=ZoneInfo(subscription.time_zone),
    )
    unused = of(part=Period(stopped_at, line.period.ends_at), is_last_day_used=True)
    covered = of(part=line.period)
    return 1 - min(unused.share / covered.share, Fraction(1)) if covered.numerator else Fraction(1)


def _sum(back: list[Back]) -> int:
    return sum(each.net + each.tax for each in back)
