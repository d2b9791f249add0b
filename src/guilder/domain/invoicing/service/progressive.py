"""Use that is heard of: billed as soon as it comes to much, and late use of what has ended, which nothing else bills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from guilder.domain.invoicing.model import Invoice, NewLine
from guilder.domain.invoicing.rules import drafts, rerating, use
from guilder.domain.invoicing.rules.billed import of_each_line
from guilder.domain.invoicing.rules.rerating import Once
from guilder.domain.invoicing.service import rating
from guilder.domain.invoicing.service.arrears import Due, bill_segments
from guilder.domain.invoicing.service.billing import finalize_new
from guilder.domain.invoicing.service.opened import opened
from guilder.domain.invoicing.service.rating import Found
from guilder.domain.invoicing.store import use as use_rows
from guilder.domain.invoicing.store.use import Rating
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import total
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Use of a customer was counted, or corrected, at `at`; what changed is dated from `earliest_at` on."""

    tenant_id: TenantId
    customer_id: CustomerId
    earliest_at: datetime
    at: datetime


async def bill_heard(tx: Tx, *, heard: Sequence[Heard], now: datetime) -> list[Invoice]:
    """Bill the use so far of subscriptions in which it reached a threshold, once for each threshold and period; and
    what changed about the use of those that have ended."""
    at: dict[Ref, datetime] = {}
    earliest: dict[Ref, datetime] = {}
    for each in heard:
        customer = Ref(each.tenant_id, each.customer_id)
        at[customer] = max(each.at, at.get(customer, each.at))
        earliest[customer] = min(each.earliest_at, earliest.get(customer, each.earliest_at))
    found = await subscriptions.of_customers(tx, customers=sorted(at))
    charged = [each for each in found if each.terms.has_charges]
    hasty = [each for each in charged if _thresholds(each) and each.usage_from is not None]
    over = [
        each
        for each in charged
        if each.ended_at is not None and earliest[_customer(each)] < each.ended_at <= at[_customer(each)]
    ]
    reached = await _bill_reached(tx, [each.ref for each in hasty], at, now=now)
    return reached + await _bill_ended(tx, over, at, now=now)


async def _bill_reached(tx: Tx, refs: Sequence[Ref], at: Mapping[Ref, datetime], *, now: datetime) -> list[Invoice]:
    # Held, so that no period ends meanwhile; what is due is left to that.
    held = [each for each in await subscriptions.hold(tx, refs=refs) if _is_open(each, at[_customer(each)])]
    stretches = [opened(each) for each in held]
    made = []
    # Customers whose news is of one instant are rated together; most often that is all of them.
    for instant in sorted({at[_customer(each)] for each in held}):
        here = [
            (each, stretch)
            for each, stretch in zip(held, stretches, strict=True)
            if at[_customer(each)] == instant and stretch.period.starts_at < instant
        ]
        found = await rating.uses(tx, stretches=[stretch for _, stretch in here], until=instant)
        made += await _bill_so_far(tx, [each for each, _ in here], found, at=instant, now=now)
    return made


async def _bill_so_far(
    tx: Tx, held: Sequence[Subscription], found: Sequence[Found], *, at: datetime, now: datetime
) -> list[Invoice]:
    reached = {
        each.ref: [
            (rating.name_of(one.stretch), threshold)
            for threshold in _thresholds(each)
            if total([use.rated.amount for use in one.uses], each.terms.currency).minor >= threshold
        ]
        for each, one in zip(held, found, strict=True)
    }
    new = await use_rows.reach(tx, [each for wanted in reached.values() for each in wanted], at=at)
    ripe = [
        (each, one) for each, one in zip(held, found, strict=True) if any(wanted in new for wanted in reached[each.ref])
    ]
    before = await rating.before(tx, [rating.name_of(one.stretch) for _, one in ripe])
    made, ratings = [], []
    for each, one in ripe:
        lines, rated = _so_far(one, before.get(rating.name_of(one.stretch), []))
        ratings += rated
        if lines:
            made.append(drafts.of_lines(each, lines, issued_at=at))
    await use_rows.save_rated(tx, ratings, now=now)
    return await finalize_new(tx, made, now=now)


def _so_far(found: Found, times: Sequence[Once]) -> tuple[list[NewLine], list[Rating]]:
    billed = rerating.billed(times)
    lines, ratings = [], []
    for each in rating.all_of(found, times):
        known = billed.get(each.key)
        line = use.line(found.stretch, each, known, cause=f"so_far:{(known.number if known else 0) + 1}")
        of_it = of_each_line(line, known, each.rated.amount)
        lines += of_it
        if of_it:
            ratings.append(rating.written(found.stretch, each, known, of_it, cause=rerating.PROGRESSIVE))
    return lines, ratings


async def _bill_ended(
    tx: Tx, over: Sequence[Subscription], at: Mapping[Ref, datetime], *, now: datetime
) -> list[Invoice]:
    held = await subscriptions.hold(tx, refs=[each.ref for each in over])
    dues = [Due(subscription=each, at=at[_customer(each)]) for each in held]
    bills = await bill_segments(tx, dues=dues, now=now)
    made = [
        drafts.of_lines(due.subscription, lines, issued_at=due.at)
        for due, lines in zip(dues, bills, strict=True)
        if lines
    ]
    return await finalize_new(tx, made, now=now)


def _thresholds(subscription: Subscription) -> list[int]:
    terms = subscription.terms
    return [each.minor for each in terms.billing.progressive if each.currency == terms.currency]


def _is_open(subscription: Subscription, at: datetime) -> bool:
    is_due = subscription.next_due_at is not None and subscription.next_due_at <= at
    return subscription.status in (Status.ACTIVE, Status.PAST_DUE) and not is_due


def _customer(subscription: Subscription) -> Ref:
    return Ref(subscription.tenant_id, subscription.customer_id)
