"""What is left of limits: counted in each subscription's own period, and begun anew with the next."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from guilder.domain.catalog.model import Plan
from guilder.domain.entitlements.model import Grant, LimitLeft
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

THRESHOLDS = (80, 100)  # in per cent, of which is told


def of_period(plan: Plan, period: Period, before: Grant | None) -> tuple[LimitLeft, ...]:
    """Return a plan's limits in this period. What was counted in it already is kept, where the meter is the same."""
    known = {(each.code, each.meter, each.starts_at): each.quantity for each in before.limits} if before else {}
    return tuple(
        counted(
            LimitLeft(
                code=each.code,
                name=each.name,
                included=each.included,
                used=0,
                left=each.included,
                meter=each.meter,
                is_hard=each.is_hard,
                starts_at=period.starts_at,
                resets_at=period.ends_at,
            ),
            known.get((each.code, each.meter, period.starts_at), Decimal(0)),
        )
        for each in plan.limits
    )


def counted(limit: LimitLeft, quantity: Decimal) -> LimitLeft:
    """Return a limit of which so much is used. A part of a unit is used whole, and is not left."""
    used = max(math.ceil(quantity), 0)
    left = None if limit.included is None else max(limit.included - used, 0)
    return replace(limit, quantity=quantity, used=used, left=left)


def over_all(limits: Iterable[LimitLeft]) -> tuple[LimitLeft, ...]:
    """Return one limit a code, for all that a customer has: what is included adds up, or is without limit where any is.

    Use belongs to the customer, and each plan's limit has counted all of it in its own period: the most counts.
    """
    found: dict[str, LimitLeft] = {}
    for each in limits:
        before = found.get(each.code)
        found[each.code] = each if before is None else _both(before, each)
    return tuple(found[code] for code in sorted(found))


def reached(limit: LimitLeft) -> Sequence[int]:
    """Return the shares, in per cent, that use has come to."""
    if limit.included is None or limit.starts_at is None or limit.quantity <= 0:
        return ()
    return [share for share in THRESHOLDS if limit.quantity * 100 >= limit.included * share]


def _both(one: LimitLeft, other: LimitLeft) -> LimitLeft:
    has_no_end = one.included is None or other.included is None
    later = max((one, other), key=lambda each: (each.starts_at is not None, each.starts_at))
    both = replace(
        later,
        name=one.name,
        included=None if has_no_end else (one.included or 0) + (other.included or 0),
        meter=one.meter or other.meter,
        # Where one of them lets overage pass, it passes.
        is_hard=one.is_hard and other.is_hard,
    )
    return counted(both, max(one.quantity, other.quantity))
