"""Discounts: taken in order of application, each shared out over its lines pro rata to what is left of them.

See docs/design/discounts.md for worked tables. What is taken is worked out on the sum of the lines, rounded half-up once,
and shared out so that the shares add up to it and no line goes below zero.

What a change charges for the rest of a period belongs to that period: it takes the discounts that the period took, also
those whose last period it is, and uses none of their periods up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import Discount, Draft, LineKind, NewLine
from guilder.kernel.money import Money, round_half_up, total
from guilder.kernel.noun import replace

HUNDRED = 100

# By subscription: the discounts that were taken off what a draft gives back of its period; of an amount, how much of it was
# for that in a whole period, in minor units: what the rest of the invoice did not take; a stub took it for less than one.
Carried = Mapping[UUID | None, Mapping[UUID, int | None]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one discount took off each line, in order, in the prices' own terms: with tax where they contain it."""

    discount: Discount
    before: tuple[Money, ...]
    shares: tuple[Money, ...]
    is_counted: bool = True  # it uses up one of the discount's periods
    allotted: int | None = None  # of an amount, what is for these lines in a whole period (minor units); None: all

    @property
    def amount(self) -> Money:
        return total(list(self.shares), self.shares[0].currency)


@dataclass(frozen=True, slots=True)
class Discounted:
    """What is left of each line, and who took what; a discount that took nothing is not named."""

    left: tuple[Money, ...]
    taken: tuple[Taken, ...]


def apply(draft: Draft, discounts: Sequence[Discount], carried: Carried | None = None) -> Discounted:
    """Take the discounts off a draft's lines, in the order given."""
    left = tuple(line.amount for line in draft.lines)
    taken: list[Taken] = []
    for discount in discounts:
        goes_on = [_goes_on(discount, line, carried or {}) for line in draft.lines]
        fits = [
            (is_live(discount) or again) and _fits(discount, draft, line) and each.minor > 0
            for line, each, again in zip(draft.lines, left, goes_on, strict=True)
        ]
        weights = [each.minor if fit else 0 for each, fit in zip(left, fits, strict=True)]
        fitting = [(line, again) for line, again, fit in zip(draft.lines, goes_on, fits, strict=True) if fit]
        allotted = max((_allotted(discount, line, carried or {}, again=again) for line, again in fitting), default=0)
        off = _off(discount, [line for line, _ in fitting], sum(weights), allotted)
        if off <= 0:
            continue
        names = [line.billed_item for line in draft.lines]
        shares = tuple(
            replace(each, minor=share) for each, share in zip(left, shared(off, weights, names), strict=True)
        )
        is_counted = any(share.minor and not again for share, again in zip(shares, goes_on, strict=True))
        is_all = discount.amount is None or allotted == discount.amount.minor
        taken.append(Taken(discount, left, shares, is_counted, None if is_all else allotted))
        left = tuple(each - share for each, share in zip(left, shares, strict=True))
    return Discounted(left, tuple(taken))


def shared(amount: int, weights: Sequence[int], names: Sequence[str]) -> list[int]:
    """Share an amount out by weight; the parts add up to it, and none is more than its weight where the whole is not.

    By largest remainder, ties by name: so in whatever order the lines stand, each gets the same.
    """
    whole = sum(weights)
    assert amount >= 0, amount
    assert whole > 0, weights
    parts = [amount * weight // whole for weight in weights]
    rest = amount - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda n: (-(amount * weights[n] % whole), -weights[n], names[n], n))
    for n in by_remainder[:rest]:
        parts[n] += 1
    return parts


def used(discount: Discount) -> Discount:
    """Count one period."""
    if discount.periods_left is None:
        return discount
    return replace(discount, periods_left=discount.periods_left - 1)


def is_live(discount: Discount) -> bool:
    return discount.ended_at is None and discount.periods_left != 0


def _fits(discount: Discount, draft: Draft, line: NewLine) -> bool:
    if not line.is_discountable or (discount.amount is not None and discount.amount.currency != draft.currency):
        return False
    subscription_id: UUID | None = line.subscription_id or draft.subscription_id
    if discount.subscription_id is not None and discount.subscription_id != subscription_id:
        return False
    return not discount.plan_ids or (line.plan_id or draft.plan_id) in discount.plan_ids


def _goes_on(discount: Discount, line: NewLine, carried: Carried) -> bool:
    """Say whether a line charges for the rest of a period that took this discount."""
    is_rest = line.kind is LineKind.PRORATION_CHARGE and discount.ended_at is None
    return is_rest and discount.id in carried.get(line.subscription_id, {})


def _allotted(discount: Discount, line: NewLine, carried: Carried, *, again: bool) -> int:
    """Return what of a discount's amount is for a line in a whole period."""
    whole = discount.amount.minor if discount.amount is not None else 0
    kept = carried[line.subscription_id][discount.id] if again else None
    return whole if kept is None else kept


def _off(discount: Discount, lines: Sequence[NewLine], eligible: int, allotted: int) -> int:
    if discount.percent is not None:
        return min(round_half_up(Fraction(eligible) * Fraction(discount.percent) / HUNDRED), eligible)
    share = max((_share(line) for line in lines), default=Fraction(1))
    return min(round_half_up(allotted * share), eligible)


def _share(line: NewLine) -> Fraction:
    """Return which part of a period a line is for. An amount is off a whole one: of its rest, as much as is left of it."""
    share = line.explanation.get("share") if line.kind is LineKind.PRORATION_CHARGE else None
    return Fraction(*share) if isinstance(share, list) else Fraction(1)
