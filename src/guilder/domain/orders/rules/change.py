"""When a change takes effect: at once if there is something to pay for it, else with the next period."""

from collections.abc import Sequence
from enum import StrEnum

from guilder.domain.invoicing.model import NewLine
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.errors import Conflict
from guilder.kernel.money import Money, total


class When(StrEnum):
    NOW = "now"
    PERIOD_END = "period_end"


class WouldBeACredit(Conflict):
    """The change would give money back; it can take effect with the next period."""

    code = "change_would_credit"


def is_at_once(when: When | None, *, net: Money) -> bool:
    """Say whether a change takes effect now.

    Left to us, a change takes effect now if it costs something or nothing, and with the next period if it would give
    money back. What would give money back is refused now: an invoice is never negative.

    :raises WouldBeACredit: it was asked for now, and its net is negative
    """
    if when is None:
        return net.minor >= 0
    if when is When.NOW and net.minor < 0:
        raise WouldBeACredit(f"it would give {-net} back now; ask for when=period_end", field="when")
    return when is When.NOW


def net_of(lines: Sequence[NewLine], currency: str) -> Money:
    return total([line.amount for line in lines], currency)


def is_free_of_charge(subscription: Subscription) -> bool:
    """Say whether the current period costs nothing whatever its terms: a trial."""
    return subscription.status is Status.TRIALING


def begins_anew(subscription: Subscription, terms: Terms) -> bool:
    """Say whether the change begins a new period: another interval, of what is being paid for."""
    return terms.interval != subscription.terms.interval and not is_free_of_charge(subscription)


def check_changeable(subscription: Subscription) -> None:
    """Let a subscription pass whose terms can be changed now: nothing may be billed for one that cannot.

    :raises IllegalStep: it waits for a payment, or has ended
    """
    lifecycle.take(MOVES, subscription.status, Step.CHANGE)
