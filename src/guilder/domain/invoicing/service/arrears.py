"""What is billed when it is over: fees in arrears, use, use that came late, and what is missing from a commitment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from guilder.domain.invoicing.model import NewLine
from guilder.domain.invoicing.rules import drafts, rerating, use
from guilder.domain.invoicing.rules.billed import of_each_line
from guilder.domain.invoicing.rules.rerating import Once
from guilder.domain.invoicing.service import commitments, rating
from guilder.domain.invoicing.service.rating import Found
from guilder.domain.invoicing.store import use as use_rows
from guilder.domain.invoicing.store.use import Rating
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Segment, SegmentKind, Subscription
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Closing, LateAsked
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

# PostgreSQL writes some while the next are worked out here.
RATED_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What of one subscription is billed together, dated `at`: segments that are due, and whatever came late. `given_back`
    are lines for the same bill that give back fees: a period comes to so much less."""

    subscription: Subscription
    at: datetime
    segments: tuple[Segment, ...] = ()
    given_back: tuple[NewLine, ...] = ()


@dataclass(slots=True)
class _Bill:
    """The lines for one `Due`, in the order in which they are shown, and what was rated for them."""

    due: Due
    fees: list[NewLine] = field(default_factory=list)
    use: list[NewLine] = field(default_factory=list)
    late: list[NewLine] = field(default_factory=list)
    missing: list[NewLine] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)

    @property
    def lines(self) -> list[NewLine]:
        return [*self.fees, *self.use, *self.late, *self.missing]


@dataclass(frozen=True, slots=True)
class _Again:
    """A segment that was billed, and is rated once more with the first `Due` of its subscription."""

    bill: _Bill
    segment: Segment


async def bill_segments(tx: Tx, *, dues: Sequence[Due], now: datetime) -> list[list[NewLine]]:
    """Return the lines for each, in order, and take their segments as billed.

    The use is closed first: whatever is counted later is late, and is billed with a later call as a difference. The
    lines have to be made owed in this transaction.
    """
    bills = [_Bill(due) for due in dues]
    await _close(tx, dues)
    late_number, again = await _came_late(tx, bills)
    fresh = [(bill, segment) for bill in bills for segment in bill.due.segments if segment.kind is SegmentKind.USAGE]
    for bill in bills:
        fees = [each for each in bill.due.segments if each.kind is SegmentKind.FEE]
        bill.fees = [drafts.arrears_fee(bill.due.subscription, segment) for segment in fees]
    stretches = [use.of_segment(segment, bill.due.subscription.time_zone) for bill, segment in fresh]
    stretches += [use.of_segment(each.segment, each.bill.due.subscription.time_zone) for each in again]
    found = await rating.uses(tx, stretches=stretches)
    before = await rating.before(tx, [rating.name_of(stretch) for stretch in stretches])
    over = [(_bill_use, bill, one) for (bill, _), one in zip(fresh, found[: len(fresh)], strict=True)]
    over += [(_bill_difference, each.bill, one) for each, one in zip(again, found[len(fresh) :], strict=True)]
    waiting: list[Rating] = []
    for billing, bill, one in over:
        times = before.get(rating.name_of(one.stretch), [])
        # What a pause closed is due once more with an end while it lasts: what it comes to since then came late.
        waiting += (_bill_difference if rerating.is_over(times) else billing)(bill, one, times)
        if len(waiting) >= RATED_AT_ONCE:
            await use_rows.save_rated(tx, waiting, now=now)
            waiting = []
    waiting += await _make_up(tx, bills, [(each.bill, each.segment) for each in again])
    await use_rows.save_rated(tx, waiting, now=now)
    await _remember(tx, bills, again, late_number, now=now)
    return [bill.lines for bill in bills]


async def _close(tx: Tx, dues: Sequence[Due]) -> None:
    closings = [
        Closing(tenant_id=each.tenant_id, customer_id=each.customer_id, until=each.period.ends_at)
        for due in dues
        for each in due.segments
        if each.kind is SegmentKind.USAGE
    ]
    await usage.close(tx, closings=closings)


async def _came_late(tx: Tx, bills: Sequence[_Bill]) -> tuple[dict[Ref, int], list[_Again]]:
    """Return the last number of late use by subscription, and the billed segments that it may have changed.

    All that ended after the earliest late instant are looked at: a level that is weighed stands on into later ones.
    """
    first: dict[Ref, _Bill] = {}
    for bill in sorted(bills, key=lambda bill: bill.due.at):
        first.setdefault(bill.due.subscription.ref, bill)
    seen = await use_rows.late_seen(tx, sorted(first))
    with_use = {each.due.subscription.ref for each in bills if _has_use(each.due)}
    asked = sorted(seen.keys() | with_use)
    answers = await usage.late_since(
        tx,
        asked=[
            LateAsked(
                tenant_id=ref.tenant_id,
                customer_id=first[ref].due.subscription.customer_id,
                after=seen.get(ref, 0),
            )
            for ref in asked
        ],
    )
    late = {ref: found for ref, found in zip(asked, answers, strict=True) if found}
    numbers = {ref: late[ref][-1].number if ref in late else seen.get(ref, 0) for ref in asked}
    if not late:
        return numbers, []
    earliest = {ref: min(each.at for each in found) for ref, found in late.items()}
    billed = await subscriptions.billed_segments(
        tx, subscriptions=sorted(late), kind=SegmentKind.USAGE, since=min(earliest.values())
    )
    refs = [Ref(each.tenant_id, each.subscription_id) for each in billed]
    return numbers, [
        _Again(first[ref], each) for ref, each in zip(refs, billed, strict=True) if each.period.ends_at > earliest[ref]
    ]


def _has_use(due: Due) -> bool:
    return any(each.kind is SegmentKind.USAGE for each in due.segments)


def _bill_use(bill: _Bill, found: Found, times: Sequence[Once]) -> list[Rating]:
    """Bill what the use of a stretch that is over comes to, less what was billed of it on the way."""
    billed, ratings = rerating.billed(times), []
    for each in rating.all_of(found, times):
        before = billed.get(each.key)
        lines = of_each_line(use.line(found.stretch, each, before), before, each.rated.amount)
        bill.use += lines
        if lines or before is not None:
            ratings.append(rating.written(found.stretch, each, before, lines, cause=rerating.CLOSED))
    bill.ratings += ratings
    return ratings


def _bill_difference(bill: _Bill, found: Found, times: Sequence[Once]) -> list[Rating]:
    billed, ratings = rerating.billed(times), []
    for each in rating.all_of(found, times):
        before = billed.get(each.key)
        lines = of_each_line(use.adjustment(found.stretch, each, before), before, each.rated.amount)
        bill.late += lines
        if lines:
            ratings.append(rating.written(found.stretch, each, before, lines, cause=rerating.LATE))
    bill.ratings += ratings
    return ratings


async def _make_up(tx: Tx, bills: Sequence[_Bill], again: Sequence[tuple[_Bill, Segment]]) -> list[Rating]:
    """Bill what is missing from commitments, of periods that are over, and anew where late use changed one."""
    closing = [
        commitments.Closing(
            subscription=bill.due.subscription,
            segment=each,
            fees=tuple(bill.fees),
            given_back=bill.due.given_back,
        )
        for bill in bills
        for each in bill.due.segments
        if each.kind is SegmentKind.USAGE and each.closes_period
    ]
    in_order = sorted(bills, key=lambda each: each.due.at, reverse=True)
    first = {bill.due.subscription.ref: bill for bill in in_order}
    owners = {each.ref: bill for bill in bills for each in bill.due.segments}
    changed = [commitments.Changed(subscription=bill.due.subscription, segment=each) for bill, each in again]
    ratings = [rated for bill in bills for rated in bill.ratings]
    being_billed = [each for bill in bills for each in bill.due.segments if each.kind is SegmentKind.USAGE]
    found = await commitments.make_up(tx, closing=closing, changed=changed, segments=being_billed, ratings=ratings)
    for made in found:
        bill = owners.get(made.segment.ref) or first[Ref(made.segment.tenant_id, made.segment.subscription_id)]
        bill.missing += made.lines
    return [made.rating for made in found]


async def _remember(
    tx: Tx, bills: Sequence[_Bill], again: Sequence[_Again], late_number: Mapping[Ref, int], *, now: datetime
) -> None:
    billed = {each.ref: late_number.get(bill.due.subscription.ref, 0) for bill in bills for each in bill.due.segments}
    if billed:
        await subscriptions.mark_billed(tx, billed=billed, now=now)
    if again:
        await subscriptions.saw_late(
            tx, seen={each.segment.ref: late_number[each.bill.due.subscription.ref] for each in again}
        )
    if late_number:
        await use_rows.save_late_seen(tx, late_number)
