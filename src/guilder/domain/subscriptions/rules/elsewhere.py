"""What becomes of a subscription that a provider bills itself, by what the provider tells of it.

The provider decides; here it is only followed. News comes in any order and any number of times: what is older than what was
heard last changes nothing, and what has ended stays so.
"""

from datetime import datetime

from guilder.domain.gateways.model import ElsewhereKind, ElsewhereNews
from guilder.domain.subscriptions.model import Status, Subscription, Told
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

# The provider's own words (Stripe's), and what each is here.
STATUSES = {
    "incomplete": Status.PROCESSING,
    "incomplete_expired": Status.EXPIRED,
    "trialing": Status.TRIALING,
    "active": Status.ACTIVE,
    "past_due": Status.PAST_DUE,
    "unpaid": Status.SUSPENDED,
    "paused": Status.PAUSED,
    "canceled": Status.CANCELED,
}
_WISHED = "cancellation_requested"
_UNPAID = frozenset({Status.PROCESSING, Status.PAST_DUE, Status.SUSPENDED})
_NEVER_PAID = frozenset(word for word, status in STATUSES.items() if status is Status.EXPIRED)


def told(subscription: Subscription, news: Told) -> Subscription:
    """Return the subscription as it is after this news: the same object where nothing follows from it."""
    if subscription.status in FINAL or (subscription.told_at is not None and news.at < subscription.told_at):
        return subscription
    status = _status(subscription, news.news)
    is_over = status in FINAL
    is_leaving = not is_over and _leaves(subscription, news.news)
    return replace(
        subscription,
        status=status,
        told_at=news.at,
        current_period=_period(subscription, news.news),
        cancel_at_period_end=is_leaving,
        ended_at=_ended_at(subscription, news) if is_over else None,
        canceled_at=_wished_at(subscription, news, is_leaving=is_leaving, is_over=is_over),
        paused_at=(subscription.paused_at or news.at) if status is Status.PAUSED else None,
    )


def _status(subscription: Subscription, news: ElsewhereNews) -> Status:
    match news.kind:
        case ElsewhereKind.PAID:
            return Status.ACTIVE
        case ElsewhereKind.FAILED:
            # What waits for its first payment goes on waiting; what is suspended is not better for it.
            is_running = subscription.status in (Status.ACTIVE, Status.TRIALING)
            return Status.PAST_DUE if is_running else subscription.status
        case ElsewhereKind.ENDED:
            return Status.EXPIRED if subscription.status is Status.PROCESSING else Status.CANCELED
        case ElsewhereKind.UPDATED:
            return STATUSES.get(news.status, subscription.status)


def _period(subscription: Subscription, news: ElsewhereNews) -> Period:
    known = subscription.current_period
    starts_at, ends_at = news.period_starts_at, news.period_ends_at
    if starts_at is None or ends_at is None or not starts_at < ends_at:
        return known
    # A late invoice of a period that is over does not take time back that was paid since.
    return Period(starts_at, ends_at) if ends_at > known.ends_at or news.kind is ElsewhereKind.UPDATED else known


def _wished_at(subscription: Subscription, news: Told, *, is_leaving: bool, is_over: bool) -> datetime | None:
    """Return when its owner wished for its end. Where its provider does not say why, what ends while it is behind, or before
    its first payment, ends for want of that, unless it had been wished for before."""
    if not is_leaving and not is_over:
        return None
    was_unpaid = subscription.status in _UNPAID or news.news.status in _NEVER_PAID
    is_wished = news.news.ended_for == _WISHED if news.news.ended_for else not was_unpaid
    return subscription.canceled_at or (news.at if is_leaving or is_wished else None)


def _ended_at(subscription: Subscription, news: Told) -> datetime:
    """Return when it ended: what was to end with its period did, though its provider says so a moment later."""
    ends_at = subscription.current_period.ends_at
    return ends_at if subscription.cancel_at_period_end and ends_at <= news.at else news.at


def _leaves(subscription: Subscription, news: ElsewhereNews) -> bool:
    return news.cancel_at_period_end if news.kind is ElsewhereKind.UPDATED else subscription.cancel_at_period_end
