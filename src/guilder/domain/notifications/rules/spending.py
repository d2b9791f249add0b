"""What a tenant's limits let pass. What is required may use all of a limit, what is not only four fifths of it: so that
a flood of reminders leaves room for the receipt."""

from collections.abc import Sequence
from dataclasses import dataclass

from guilder.domain.notifications.model import Ceiling, Channel, Limits, Spent
from guilder.kernel.currency import exponent
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import Ref

OPTIONAL_SHARE_PERCENT = 80
LIMIT_MAX = 1_000_000_000


class BadLimits(Invalid):
    """These limits cannot be."""

    code = "bad_limits"


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that is about to be sent; `units` is 1, or a text's segments."""

    ref: Ref
    is_required: bool
    units: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Which limit a message met, and how high it was for it."""

    window: str  # day | month
    limit: int

    @property
    def why(self) -> str:
        return f"the limit of {self.limit} a {self.window} is reached"


@dataclass(frozen=True, slots=True)
class Admission:
    refused: dict[Ref, Refused]
    spent: Spent


def checked(limits: Limits) -> Limits:
    """Let limits pass that can be.

    :raises BadLimits: names the field
    """
    if (limits.segment_price is None) != (limits.currency == ""):
        raise BadLimits("a price has a currency, and a currency a price", field="segment_price")
    if limits.segment_price is not None and limits.segment_price <= 0:
        raise BadLimits("a segment costs something", field="segment_price")
    if limits.segment_price is None and limits.cost != Ceiling():
        raise BadLimits("a limit of cost needs the price of a segment", field="segment_price")
    return limits


def ceiling(limits: Limits, channel: Channel) -> Ceiling:
    """Return the tenant's limit in messages or segments: the lower one where segments and cost both have one."""
    if channel is Channel.EMAIL:
        return limits.emails
    return Ceiling(
        per_day=_lower(limits.segments.per_day, _affordable(limits, limits.cost.per_day)),
        per_month=_lower(limits.segments.per_month, _affordable(limits, limits.cost.per_month)),
    )


def admit(asked: Sequence[Asked], limit: Ceiling, spent: Spent) -> Admission:
    """Let messages pass while there is room, the required ones first."""
    refused: dict[Ref, Refused] = {}
    for each in sorted(asked, key=lambda one: not one.is_required):
        after = Spent(today=spent.today + each.units, this_month=spent.this_month + each.units)
        met = _met(limit, after, is_required=each.is_required)
        if met is None:
            spent = after
        else:
            refused[each.ref] = met
    return Admission(refused, spent)


def estimated_cost(limits: Limits, segments: int) -> int | None:
    """Return what so many segments cost, in minor units rounded up; None where no price is known."""
    if limits.segment_price is None:
        return None
    exact = limits.segment_price.scaleb(exponent(limits.currency)) * segments
    return int(-(-exact // 1))


def _met(limit: Ceiling, after: Spent, *, is_required: bool) -> Refused | None:
    for window, most, would_be in (("day", limit.per_day, after.today), ("month", limit.per_month, after.this_month)):
        if most is None:
            continue
        share = most if is_required else most * OPTIONAL_SHARE_PERCENT // 100
        if would_be > share:
            return Refused(window, share)
    return None


def _affordable(limits: Limits, cost: int | None) -> int | None:
    if cost is None or limits.segment_price is None:
        return None
    return int(cost // limits.segment_price.scaleb(exponent(limits.currency)))


def _lower(one: int | None, other: int | None) -> int | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
