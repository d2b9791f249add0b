"""Proration: what a change within a period gives back, and what it charges (worked tables: docs/design/proration.md).

It works from what was billed, never from what a price list says now: the part of a line's time that will not be used is
given back of what that line came to after its discounts, taxed as the line was, and never more than is left of it. The
rest of the period is charged at the new price. Each line is rounded half-up, once; the net is the sum of the lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.model import AppliedRate, Caption, LineKind, NewLine, Phrase
from guilder.domain.invoicing.rules import withholding
from guilder.domain.subscriptions.model import Subscription, Terms
from guilder.domain.subscriptions.rules import shares
from guilder.domain.subscriptions.rules.shares import Measure
from guilder.kernel.money import Money, zero
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period

WHOLE = Measure(1, 1, "period")
NOTHING = Measure(0, 1, "period")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """What a line bills time of: two lines of which this is the same are for the same thing."""

    plan: str
    version: int
    unit_amount: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine:
    """A line that billed time of a subscription: the fee of a period, or what the rest of one was charged."""

    line_id: UUID
    name: str
    sold: Sold
    amount: Money  # net, after discounts
    tax: Money
    left: Money  # of the amount, what was neither credited nor refunded yet
    left_tax: Money
    period: Period  # the time that it covers
    full_period: Period
    unused_until: datetime  # from here on its time was given back before
    taxed_as: AppliedRate
    covers: Measure | None = None  # of the full period, where that is more than its own time: charged by difference

    def moved(self, by: timedelta) -> "BilledLine":
        """Return it as if its time were another: time kept in a pause is there again after it."""
        return replace(
            self,
            period=_moved(self.period, by),
            full_period=_moved(self.full_period, by),
            unused_until=self.unused_until + by if self.unused_until == self.period.ends_at else self.unused_until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """A credit that was given for unused time, and what the time was sold as."""

    cause: str
    name: str
    sold: Sold
    amount: Money  # net, negative
    tax: Money
    period: Period
    taxed_as: AppliedRate
    covers: Measure | None = None  # where it was given back by difference: what the line that it credits covers
    of_line: UUID | None = None  # that line, or the one that it took back


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands billed for the time of a subscription that is not over, oldest first."""

    billed: tuple[BilledLine, ...] = ()
    given_back: tuple[GivenBack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Yardstick:
    """How parts of a period are measured."""

    basis: Basis
    interval: Interval
    zone: ZoneInfo
    is_last_day_used: bool = False

    def of(self, part: Period, full: Period) -> Measure:
        return shares.measure(
            self.basis,
            part=part,
            full=full,
            interval=self.interval,
            zone=self.zone,
            is_last_day_used=self.is_last_day_used,
        )


def sold_as(terms: Terms) -> Sold:
    return Sold(
        plan=terms.plan_code,
        version=terms.plan_version,
        unit_amount=terms.unit_amount.minor,
        quantity=terms.quantity,
    )


def lines(
    before: Subscription,
    after: Subscription,
    *,
    standing: Standing,
    cause: str,
    changed_at: datetime,
) -> list[NewLine]:
    """Bill a change of terms within a period: what is unused is given back, the rest is charged at the new price.

    `cause` names the change: with the line or the period it makes what is billed unique. The basis is that of the terms
    changed to. Where the change begins a new period, only the credits are made here: its fee is the caller's to bill.
    A fee in arrears is neither given back nor charged: it is billed when its time is over.
    """
    basis = after.terms.billing.basis
    period = after.current_period
    if period.ends_at <= changed_at:
        return []  # of a suspended one the period may be over: nothing of it is left
    goes_on = not begins_anew(before, after)
    kept = [each for each in standing.billed if goes_on and _is_for(each, after, at=changed_at)]
    measured_by = _Yardstick(basis=basis, interval=before.terms.interval, zone=ZoneInfo(before.time_zone))
    made = [
        credit_line(before, each, measured_by, cause=cause, at=changed_at)
        for each in standing.billed
        if each not in kept
    ]
    if goes_on and not kept and not after.terms.billing.in_arrears:
        made += _for_the_rest(after, standing, cause=cause, at=changed_at)
    return _worth_saying(made, is_charged=not goes_on and not after.terms.billing.in_arrears)


def unused(
    before: Subscription,
    *,
    standing: Standing,
    cause: str,
    at: datetime,
    for_good: Standing | None = None,
    is_last_day_used: bool = True,
) -> list[NewLine]:
    """Give back what is unused of a subscription that ends, or is paused, at `at`. `for_good` is what would stand billed
    without what may come back: the difference is withheld.

    The price difference is no measure of this: on that basis, what is left is measured by its real length.
    """
    basis = before.terms.billing.basis
    measured_by = _Yardstick(
        basis=Basis.SECOND if basis is Basis.DIFFERENCE else basis,
        interval=before.terms.interval,
        zone=ZoneInfo(before.time_zone),
        is_last_day_used=is_last_day_used,
    )
    made = [
        withholding.marked(
            credit_line(before, now, measured_by, cause=cause, at=at),
            credit_line(before, later, measured_by, cause=cause, at=at),
        )
        for now, later in zip(standing.billed, (for_good or standing).billed, strict=True)
    ]
    return [line for line in made if withholding.is_worth_saying(line)]


def _worth_saying(made: Sequence[NewLine], *, is_charged: bool) -> list[NewLine]:
    """Leave out what comes to nothing. But where something is charged (`is_charged`: by the caller, for a period that
    begins), a credit of nothing says that time was given back: undone, the change takes back just that, and not what the
    time would cost anew."""
    if not is_charged and all(line.amount.is_zero for line in made):
        return []
    return [line for line in made if not line.amount.is_zero or _gives_time_back(line)]


def _gives_time_back(line: NewLine) -> bool:
    return line.credits_line_id is not None and line.explanation["share"] != [0, 1]


def begins_anew(before: Subscription, after: Subscription) -> bool:
    """Say whether a change began a new period: by another interval, even where one of the old had just begun there."""
    return after.terms.interval != before.terms.interval or after.current_period != before.current_period


def credit_line(
    subscription: Subscription, billed: BilledLine, measured_by: _Yardstick, *, cause: str, at: datetime
) -> NewLine:
    """Give back of a line what its unused time came to."""
    share, part, of_which = _unused_share(billed, measured_by, at=at)
    amount = credit_for_unused(billed.amount, billed.left, share)
    name = billed.name
    return NewLine(
        kind=LineKind.PRORATION_CREDIT,
        description=Caption(Phrase.UNUSED_TIME, name),
        amount=amount,
        period=Period(max(at, billed.period.starts_at), billed.unused_until) if share else billed.period,
        subscription_id=subscription.id,
        is_discountable=False,
        taxed_as=billed.taxed_as,
        tax=_tax_of(billed, amount, share, is_inclusive=subscription.terms.billing.is_tax_inclusive),
        credits_line_id=billed.line_id,
        billed_item=f"sub:{subscription.id}:credit:{billed.line_id}:{cause}",
        explanation={
            "rule": "proration_credit",
            **_inputs(billed.sold, name, measured_by.basis, billed.period, billed.full_period, at),
            "full_amount": billed.amount.minor,
            "left": billed.left.minor,
            "unused": _said(part),
            "covered": _said(of_which),
            "share": [share.numerator, share.denominator],
            "is_capped": -amount.minor < billed.amount.times_half_up(share).minor,
            "sentence": _credit_sentence(billed, share, amount, at),
        },
    )


def credit_for_unused(billed: Money, left: Money, share: Fraction) -> Money:
    """Return what is owed back (zero or negative) for the unused share of what was billed."""
    # Capped: a credit never exceeds what is left uncredited of what was billed.
    return -max(min(billed.times_half_up(share), left), zero(billed.currency))


def _tax_of(billed: BilledLine, credit: Money, share: Fraction, *, is_inclusive: bool) -> Money | None:
    """Return the part of a line's tax that goes back with a credit of it: with all that is left, all of it.

    None: on top of a net price a part of it is worked out as it was on the line, on the invoice.
    """
    if -credit == billed.left:
        return -billed.left_tax
    return credit_for_unused(billed.tax, billed.left_tax, share) if is_inclusive else None


def charge_for_rest(price: Money, share: Fraction) -> Money:
    """Return what a share of a full period costs at `price`."""
    return price.times_half_up(share)


def _unused_share(billed: BilledLine, by: _Yardstick, *, at: datetime) -> tuple[Fraction, Measure, Measure]:
    """Return which share of its time a line will not have been used for; with the two measures that it is made of."""
    if max(at, billed.period.starts_at) >= billed.unused_until:
        return Fraction(0), NOTHING, WHOLE
    is_untouched = at <= billed.period.starts_at and billed.unused_until == billed.period.ends_at
    # All of it is all of it on any basis; but on the day that it ends, a subscription was used.
    if is_untouched and not by.is_last_day_used:
        return Fraction(1), WHOLE, WHOLE
    if by.basis is Basis.DIFFERENCE:
        return Fraction(1), WHOLE, WHOLE
    part = Period(max(at, billed.period.starts_at), billed.unused_until)
    unused_part = by.of(part, billed.full_period)
    covered = billed.covers or replace(by, is_last_day_used=False).of(billed.period, billed.full_period)
    if not covered.numerator:
        return Fraction(0), unused_part, covered
    share = unused_part.share / covered.share
    return min(max(share, Fraction(0)), Fraction(1)), unused_part, covered


def _for_the_rest(after: Subscription, standing: Standing, *, cause: str, at: datetime) -> list[NewLine]:
    rest = Period(max(at, after.current_period.starts_at), after.current_period.ends_at)
    if again := _given_back_for(standing, sold_as(after.terms), rest):
        return [_reinstated(after, each, number, cause=cause, at=at) for number, each in enumerate(again)]
    return [_charge_line(after, rest, cause=cause, at=at)]


def _given_back_for(standing: Standing, sold: Sold, rest: Period) -> list[GivenBack]:
    """Return what the last change away from these terms gave back for just this time: it is undone by taking it back.

    Worked out again, it could come to something else: a discount may have been used up, a tax rate may have changed.
    """
    fitting = [each for each in standing.given_back if each.sold == sold and each.period == rest]
    return [each for each in fitting if each.cause == fitting[-1].cause]


def _reinstated(after: Subscription, back: GivenBack, number: int, *, cause: str, at: datetime) -> NewLine:
    amount = -back.amount
    return NewLine(
        kind=LineKind.PRORATION_CHARGE,
        description=Caption(Phrase.REMAINING_TIME, back.name),
        amount=amount,
        quantity=after.terms.quantity,
        period=back.period,
        subscription_id=after.id,
        is_discountable=False,
        taxed_as=back.taxed_as,
        tax=-back.tax,
        billed_item=_charge_item(after, cause, number),
        explanation={
            "rule": "proration_reinstated",
            **_inputs(back.sold, back.name, after.terms.billing.basis, back.period, full_period(after), at),
            "full_amount": amount.minor,
            **({"part": _said(back.covers)} if back.covers else {}),
            **({"of_line": str(back.of_line)} if back.of_line else {}),
            "share": [1, 1],
            "sentence": f"The change at {_instant(at)} is undone: {amount}, which it gave back for this time, is due again.",
        },
    )


def _charge_line(after: Subscription, rest: Period, *, cause: str, at: datetime) -> NewLine:
    terms, full = after.terms, full_period(after)
    by = _Yardstick(basis=terms.billing.basis, interval=terms.interval, zone=ZoneInfo(after.time_zone))
    if by.basis is Basis.DIFFERENCE:  # the price in full, of the period as long as it is
        measure = replace(by, basis=Basis.SECOND).of(after.current_period, full)
    else:
        measure = by.of(rest, full)
    share = measure.share
    amount = charge_for_rest(terms.amount, share)
    return NewLine(
        kind=LineKind.PRORATION_CHARGE,
        description=Caption(Phrase.REMAINING_TIME, terms.plan_name),
        amount=amount,
        quantity=terms.quantity,
        period=rest,
        subscription_id=after.id,
        plan_id=terms.plan_id,
        tax_category=terms.billing.tax_category,
        is_tax_inclusive=terms.billing.is_tax_inclusive,
        billed_item=_charge_item(after, cause, 0),
        explanation={
            "rule": "proration_charge",
            **_inputs(sold_as(terms), terms.plan_name, by.basis, rest, full, at),
            "full_amount": terms.amount.minor,
            "part": _said(measure),
            "share": [share.numerator, share.denominator],
            "sentence": f"{percent(share)} % of the period is left at {_instant(at)}: "
            f"{share.numerator}/{share.denominator} of {terms.amount} is {amount}.",
        },
    )


def _charge_item(after: Subscription, cause: str, number: int) -> str:
    item = f"sub:{after.id}:charge:{after.current_period.starts_at.isoformat()}:{cause}"
    return f"{item}:{number}" if number else item


def full_period(subscription: Subscription) -> Period:
    """Return the period that parts of the current one are measured against: of a stub, the full one that holds it."""
    return subscription.full_period or subscription.current_period


def _is_for(billed: BilledLine, after: Subscription, *, at: datetime) -> bool:
    """Say whether a line has billed the rest of the period at the new terms already: there is nothing to change then."""
    is_for_all_of_it = billed.period.starts_at <= at and billed.unused_until == after.current_period.ends_at
    return billed.sold == sold_as(after.terms) and is_for_all_of_it


def _inputs(sold: Sold, name: str, basis: Basis, period: Period, full: Period, at: datetime) -> Mapping[str, object]:
    return {
        "basis": basis.value,
        "plan": sold.plan,
        "plan_version": sold.version,
        "plan_name": name,
        "unit_amount": sold.unit_amount,
        "quantity": sold.quantity,
        "period": _ends(period),
        "full_period": _ends(full),
        "changed_at": at.isoformat(),
        "rounding": "half_up",
    }


def _credit_sentence(billed: BilledLine, share: Fraction, amount: Money, at: datetime) -> str:
    worked = f"{share.numerator}/{share.denominator} of the {billed.amount} billed for it is {-amount}"
    if -amount < billed.amount.times_half_up(share):
        worked = f"{-amount} is all that is left of the {billed.amount} billed for it"
    return f"{percent(share)} % of the time billed is unused at {_instant(at)}: {worked}."


def _said(measure: Measure) -> dict[str, object]:
    return {"numerator": measure.numerator, "denominator": measure.denominator, "unit": measure.unit}


def _moved(period: Period, by: timedelta) -> Period:
    return Period(period.starts_at + by, period.ends_at + by)


def _ends(period: Period) -> Sequence[str]:
    return [period.starts_at.isoformat(), period.ends_at.isoformat()]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def percent(share: Fraction) -> str:
    """Write a share in per cent with two digits, without ever being a float."""
    hundredths = round(share * 10_000)
    return f"{hundredths // 100}.{hundredths % 100:02}"
