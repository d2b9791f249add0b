"""Messages wait for a server, for a night or longer; one that has stopped being true is better not sent."""

from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.notifications.model import Kind, Notification
from guilder.domain.notifications.rules import causes
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.rules import leaving, renewals

ASKS_FOR_MONEY = frozenset(
    {
        Kind.PAYMENT_FAILED,
        Kind.PAYMENT_ACTION_REQUIRED,
        Kind.PAYMENT_REMINDER,
        Kind.APOLOGY,
        Kind.INVOICE_SENT,
        Kind.INVOICE_DUE_SOON,
        Kind.INVOICE_OVERDUE,
    }
)
_OWED = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})


def why_no_longer(
    notification: Notification,
    invoice: Invoice | None,
    subscription: Subscription | None,
    parent: Subscription | None = None,
) -> str:
    """Return why this need not be said any more; empty where it still has to be. `parent`: what an add-on belongs to."""
    kind = notification.kind
    if kind is Kind.CHANGE_PLANNED:
        return _why_not_planned(subscription, parent)
    if kind is Kind.UPCOMING_RENEWAL:
        renews = subscription is not None and renewals.renews_at(subscription) is not None
        return "" if renews else "it does not renew any more"
    if kind is Kind.SUBSCRIPTION_CANCELLED:
        return "" if subscription is None else _why_not_confirmed(notification, subscription)
    if kind is Kind.TRIAL_ENDING:
        is_on_trial = subscription is None or _is_on_trial(subscription, parent)
        return "" if is_on_trial else "the trial is over, or nothing comes after it"
    if kind not in ASKS_FOR_MONEY:
        return ""
    if invoice is None:
        return "there is no such invoice"
    return "" if invoice.status in _OWED else f"the invoice is {invoice.status.value} by now"


def leaves(subscription: Subscription) -> bool:
    """Say whether a subscription has ended, or is going to."""
    return subscription.ended_at is not None or leaving.leaves_at(subscription) is not None


def _why_not_planned(subscription: Subscription | None, parent: Subscription | None) -> str:
    if subscription is None or subscription.pending_terms is None:
        return "no change is planned any more"
    comes_at = subscription.pending_at or subscription.current_period.ends_at
    # What it belongs to ends it, too, and its instant comes first.
    ends = [leaving.leaves_at(each) for each in (subscription, parent) if each is not None]
    return "it ends before that" if any(at is not None and at <= comes_at for at in ends) else ""


def _why_not_confirmed(notification: Notification, subscription: Subscription) -> str:
    """Say why an end is not confirmed: nobody wishes for it any more, or it was wished for anew, which has its own words."""
    s, at = subscription, notification.about.at or subscription.ended_at
    if at is None or not leaves(s):
        return "it goes on after all"
    # The second as releases before named it: by its date alone.
    is_of_this_wish = notification.cause_id in (causes.end(s.id, at, s.canceled_at), causes.end(s.id, at))
    return "" if is_of_this_wish else "another end is wished for by now"


def _is_on_trial(subscription: Subscription, parent: Subscription | None) -> bool:
    """Say whether a trial runs on into what costs something, as its owner is told. What it belongs to stops it, too."""
    ends_at = subscription.current_period.ends_at
    stops = leaving.stops_by(subscription, ends_at) or (parent is not None and leaving.stops_by(parent, ends_at))
    return subscription.status is SubscriptionStatus.TRIALING and not stops
