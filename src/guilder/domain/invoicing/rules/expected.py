"""What should have been billed, worked out from what a subscription was and not from what was billed (docs/design/healing.md).

Fees alone: in advance for each period that it began, in arrears for each stretch that was closed. What use comes to is
rated from its readings; of use, only that a stretch is over and not billed is known here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import PaidTime
from guilder.domain.invoicing.rules.drafts import fee_item
from guilder.domain.subscriptions.model import Past, Segment, SegmentKind, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import grid, shares
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

# In these a period that began is owed: `processing` waits for the payment of just that.
BILLED = frozenset({Status.PROCESSING, Status.ACTIVE, Status.PAST_DUE})
_RUNNING = frozenset({Status.ACTIVE, Status.PAST_DUE})


class Fault(StrEnum):
    MISSING = "missing"  # it is owed, and nobody billed it
    UNHELD = "unheld"  # it is billed, and nothing holds that it is: it could be billed again
    WRONG_AMOUNT = "wrong_amount"
    UNEXPECTED = "unexpected"  # it is billed, and is not owed
    HOLE = "hole"  # time that it ran and that no period, or no segment, holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Something that should be billed from `due_at` on. `amount` is before discounts, as the price has it; of use, None."""

    billed_item: str
    period: Period
    due_at: datetime
    amount: Money | None
    past: Past | None = None  # a fee in advance: what the subscription was when its period began
    segment: Segment | None = None  # what is billed when it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A fee as an invoice has it, before its discounts."""

    subscription: Ref
    billed_item: str
    period: Period
    price: Money
    invoice_id: UUID
    invoice_number: str
    is_standing: bool  # false: it was voided, which frees it
    is_held: bool = True  # while it stands, nobody else can bill it
    is_waiting: bool = False  # an order that is not paid yet bills what it will change


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is owed and what is billed are not the same."""

    fault: Fault
    subscription: Ref
    billed_item: str
    period: Period
    expected: Money | None = None
    billed: Money | None = None
    invoice_id: UUID | None = None
    invoice_number: str = ""
    owed: Owed | None = None


def owed(subscription: Subscription, history: Sequence[Past], segments: Sequence[Segment]) -> list[Owed]:
    """Return what should be billed of a subscription, in order; what comes to nothing may be billed, and need not."""
    found = [*_in_advance(subscription, history), *_in_arrears(subscription, segments)]
    return sorted(found, key=lambda each: (each.period.starts_at, each.due_at, each.billed_item))


def differences(
    subscription: Subscription,
    history: Sequence[Past],
    segments: Sequence[Segment],
    billed: Sequence[Billed],
    *,
    now: datetime,
) -> list[Difference]:
    """Compare what should have been billed up to `now` with what was."""
    left, found = list(billed), list(_holes(subscription, history, segments))
    for each in owed(subscription, history, segments):
        if each.amount is None:
            found += _unbilled_use(subscription, each, now=now)
            continue
        match = _match(each, left)
        if match is not None:
            left.remove(match)
            found += _compared(subscription, each, match)
        elif each.due_at <= now and not each.amount.is_zero:
            found.append(_difference(Fault.MISSING, subscription, each))
    found += [_unexpected(each) for each in left if each.is_standing and _is_judged(each, history)]
    return sorted(found, key=lambda each: (each.period.starts_at, each.fault, each.billed_item))


def began(before: Past | None, past: Past) -> bool:
    """Say whether a period that is owed began with a state: not a trial, nor time that was kept in a pause."""
    if past.status not in BILLED:
        return False
    if before is None or before.status is Status.SCHEDULED:
        return True
    if before.status is Status.PAUSED:
        # Also where it is the same one: paused and resumed at its very start, it was given back and begins anew.
        return not _was_kept(before)
    # Another interval begins a period, even at the very instant at which one of the old had begun.
    return past.current_period != before.current_period or past.terms.interval != before.terms.interval


def price(terms: Terms, period: Period, full: Period | None, zone: ZoneInfo) -> Money:
    """Return the fee of a period: of a stub its share of the full one that holds it, rounded half-up once."""
    part = shares.measure(
        terms.billing.basis, part=period, full=full or period, interval=terms.interval, zone=zone, is_stub=True
    )
    return terms.amount.times_half_up(part.share)


def _in_advance(subscription: Subscription, history: Sequence[Past]) -> Iterator[Owed]:
    zone = ZoneInfo(subscription.time_zone)
    for index, (before, past) in enumerate(pairwise([None, *history])):
        assert past is not None
        if past.terms.billing.in_arrears or not began(before, past) or _never_began(history[index:]):
            continue
        yield Owed(
            billed_item=fee_item(subscription.id, past.current_period),
            period=past.current_period,
            due_at=past.current_period.starts_at,
            amount=price(past.terms, past.current_period, past.full_period, zone),
            past=past,
        )


def _in_arrears(subscription: Subscription, segments: Sequence[Segment]) -> Iterator[Owed]:
    zone = ZoneInfo(subscription.time_zone)
    for segment in segments:
        is_fee = segment.kind is SegmentKind.FEE
        yield Owed(
            billed_item=fee_item(subscription.id, segment.period) if is_fee else _use_item(subscription, segment),
            period=segment.period,
            due_at=segment.due_at,
            amount=price(segment.terms, segment.period, segment.full_period, zone) if is_fee else None,
            segment=segment,
        )


def _use_item(subscription: Subscription, segment: Segment) -> str:
    return f"sub:{subscription.id}:use:{segment.period.starts_at.isoformat()}"


def _never_began(rest: Sequence[Past]) -> bool:
    """Say whether something waited for its first payment until it was given up: then nothing was owed for it."""
    if rest[0].status is not Status.PROCESSING:
        return False
    then = next((each for each in rest if each.status is not Status.PROCESSING), None)
    return then is not None and then.ended_at is not None


def _was_kept(before: Past) -> bool:
    """Say whether what comes after a pause is paid time that it cut off."""
    if before.status is not Status.PAUSED or before.paused_at is None:
        return False
    billing = before.terms.billing
    is_kept = billing.paused_time is PaidTime.KEEP and not grid.is_aligned(billing, before.terms.interval)
    return is_kept and before.paused_at < before.current_period.ends_at


def _match(each: Owed, billed: Sequence[Billed]) -> Billed | None:
    """Return what bills it: by its name, or by that and a cause, where it began with a change at a period's very start.

    A fee in arrears has had a name of its own for a while; before, it was called as one in advance."""
    named = [
        line
        for line in billed
        if line.billed_item == each.billed_item or line.billed_item.startswith(f"{each.billed_item}:")
    ]
    # What stands comes first: what was voided may have been billed again. Of two for one time, the one that is this.
    named.sort(key=lambda line: (line.period != each.period, not line.is_standing, line.price != each.amount))
    return named[0] if named and named[0].period == each.period else None


def _compared(subscription: Subscription, each: Owed, line: Billed) -> Iterator[Difference]:
    if not line.is_standing:
        return  # it was billed, and taken back: that was decided, and is not undone here
    if line.price != each.amount:
        yield _difference(Fault.WRONG_AMOUNT, subscription, each, line)
    if not line.is_held:
        yield replace(_difference(Fault.UNHELD, subscription, each, line), billed_item=line.billed_item)


def _is_judged(line: Billed, history: Sequence[Past]) -> bool:
    """Say whether it can be known that a line is not owed: not of a time before the history began."""
    if not history or line.is_waiting:
        return False
    first = history[0]
    return not first.is_first_known or line.period.starts_at > first.current_period.starts_at


def _unbilled_use(subscription: Subscription, each: Owed, *, now: datetime) -> list[Difference]:
    assert each.segment is not None
    if each.segment.billed_at is not None or each.due_at > now:
        return []
    return [_difference(Fault.MISSING, subscription, each)]


def _holes(subscription: Subscription, history: Sequence[Past], segments: Sequence[Segment]) -> Iterator[Difference]:
    """Return time between two periods that followed each other, and time in arrears that no segment holds."""
    for before, past in pairwise(history):
        if before.status in _RUNNING and past.status in _RUNNING:
            ended_at, starts_at = before.current_period.ends_at, past.current_period.starts_at
            if ended_at < starts_at:
                yield _hole(subscription, Period(ended_at, starts_at))
    starts = {kind: {each.period.starts_at for each in segments if each.kind is kind} for kind in SegmentKind}
    for before, past in pairwise(history):
        if before.status is Status.PROCESSING:
            continue  # what was never paid for was never used
        if not before.terms.amount.is_zero:
            yield from _unclosed(subscription, before, past, before.fee_from, past.fee_from, starts[SegmentKind.FEE])
        if before.terms.has_charges:
            yield from _unclosed(
                subscription, before, past, before.usage_from, past.usage_from, starts[SegmentKind.USAGE]
            )


def _unclosed(
    subscription: Subscription,
    before: Past,
    past: Past,
    since: datetime | None,
    then: datetime | None,
    starts: set[datetime],
) -> Iterator[Difference]:
    if since is None or then == since or since in starts:
        return
    ends_at = before.current_period.ends_at
    # Of a change within a period that left nothing in arrears nothing says when it was: it may have been at once.
    went_on = past.current_period.starts_at if past.status in _RUNNING else ends_at
    until = min(then or past.ended_at or past.paused_at or went_on, ends_at)
    if until > since:
        yield _hole(subscription, Period(since, until))


def _hole(subscription: Subscription, period: Period) -> Difference:
    return Difference(
        fault=Fault.HOLE,
        subscription=subscription.ref,
        billed_item=fee_item(subscription.id, period),
        period=period,
    )


def _unexpected(line: Billed) -> Difference:
    return Difference(
        fault=Fault.UNEXPECTED,
        subscription=line.subscription,
        billed_item=line.billed_item,
        period=line.period,
        billed=line.price,
        invoice_id=line.invoice_id,
        invoice_number=line.invoice_number,
    )


def _difference(fault: Fault, subscription: Subscription, each: Owed, line: Billed | None = None) -> Difference:
    found = Difference(
        fault=fault,
        subscription=subscription.ref,
        billed_item=each.billed_item,
        period=each.period,
        expected=each.amount,
        owed=each,
    )
    if line is None:
        return found
    return replace(found, billed=line.price, invoice_id=line.invoice_id, invoice_number=line.invoice_number)
