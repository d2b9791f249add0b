"""When a change takes effect, and when a subscription ends: now, when its period ends, or on a date."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from guilder.domain.catalog.model import TrialEnd
from guilder.domain.invoicing.model import NewLine
from guilder.domain.subscriptions.model import Changed, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import changes
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.money import Money, total

_MOMENT = timedelta(minutes=1)


class When(StrEnum):
    NOW = "now"
    PERIOD_END = "period_end"


class NowOrThen(Invalid):
    """It is now, with the end of the period, or on a date: one of them."""

    code = "when_or_date"


class MethodNeeded(Conflict):
    """There has to be a payment method for this first."""

    code = "payment_method_needed"


def is_at_once(when: When | None, *, net: Money, is_cheaper: bool) -> bool:
    """Say whether a change takes effect now.

    Left to us, an upgrade does, and a downgrade waits for the next period: what would give money back is one, and so is
    a lower price, also where nothing comes back for the higher one (nothing is prorated, it was free, its money is gone).
    What is asked for now is done now: what it gives back becomes credit.
    """
    if when is None:
        return net.minor >= 0 and not is_cheaper
    return when is When.NOW


def is_cheaper(subscription: Subscription, terms: Terms) -> bool:
    """Say whether the same time costs less on these terms. In a trial no price counts yet."""
    before = subscription.terms
    if subscription.status is Status.TRIALING or before.interval != terms.interval:
        return False
    return terms.amount < before.amount


def net_of(lines: Sequence[NewLine], currency: str) -> Money:
    return total([line.amount for line in lines], currency)


def rehearsed(subscription: Subscription, terms: Terms, *, at: datetime, trial_ends_at: datetime | None) -> Changed:
    """Return what a change now would make of a subscription: it is billed before it is known to take effect.

    :raises IllegalStep: it waits for a payment, is behind with one, or has ended
    """
    lifecycle.take(MOVES, subscription.status, Step.CHANGE)
    effect = changes.apply(subscription, terms, at=at, trial_ends_at=trial_ends_at)
    return Changed(
        before=subscription,
        after=effect.subscription,
        segments=effect.segments,
        began_period=effect.began_period,
    )


def can_change(subscription: Subscription) -> bool:
    return Step.CHANGE in MOVES[subscription.status]


def check_trial_can_end(terms: Terms, *, has_method: bool) -> None:
    """Let a trial end at once by a change only where that does not end the subscription as well.

    :raises MethodNeeded: what the plan says of a trial that ends without a payment method would end or pause it
    """
    if terms.amount.is_zero or has_method or terms.billing.trial_end is TrialEnd.INVOICE:
        return
    raise MethodNeeded("this plan has no trial left, and needs a payment method", field="payment_method_id")


def payable_until(
    subscription: Subscription, *, parent: Subscription | None, now: datetime, at_most: timedelta
) -> datetime:
    """Return until when a change that waits for its payment can be paid.

    Given up before anything else that is planned within the period takes place, for itself or with its parent: that
    works from what is billed, and what nobody has paid for was not in force.
    """
    planned = [subscription.cancel_at, subscription.pending_at if subscription.pending_terms else None]
    planned += _stops(parent) if parent else []
    before = [at - _MOMENT for at in planned if at is not None]
    return max(now, min([now + at_most, subscription.current_period.ends_at, *before]))


def _stops(parent: Subscription) -> list[datetime | None]:
    """Return when a parent may end or pause, as far as that is known: its add-ons do so at the same instant."""
    may_stop = parent.cancel_at_period_end or parent.pause_at_period_end or parent.status is Status.TRIALING
    return [parent.cancel_at, parent.current_period.ends_at if may_stop else None]


def check_one(when: When | None, at: datetime | None, *, name: str) -> None:
    """Let either a word or a date pass.

    :raises NowOrThen: both are there
    """
    if when is not None and at is not None:
        raise NowOrThen(field=name)
