"""The verbs of subscriptions. Each takes a batch, locks it in one order, and announces what came of it."""

from guilder.domain.subscriptions.service.arrears import (
    behind,
    billed_segments,
    billed_since_closed,
    mark_billed,
    open_segments,
    saw_late,
    segments_to_bill,
)
from guilder.domain.subscriptions.service.beginning import activate, create
from guilder.domain.subscriptions.service.changing import (
    NoSuchBillingDay,
    TrialNotLonger,
    change,
    extend_trial,
    move_billing_day,
    revoke_change,
)
from guilder.domain.subscriptions.service.elsewhere import AlreadyLinked, follow_provider, link
from guilder.domain.subscriptions.service.ending import cancel, end, keep
from guilder.domain.subscriptions.service.forgetting import (
    forget_customer,
    going_on,
    of_customer_export,
    open_matters,
    unbilled_use_since,
)
from guilder.domain.subscriptions.service.pausing import IsLeaving, ParentIsPaused, pause, resume
from guilder.domain.subscriptions.service.reading import (
    DateIsPast,
    IsBilledElsewhere,
    StillDue,
    add_ons,
    get,
    hold,
    listing,
    lock,
    of_customer,
    of_customers,
    of_organization,
    one,
    trials_due,
)
from guilder.domain.subscriptions.service.remembering import history, some
from guilder.domain.subscriptions.service.reminding import (
    remind_of_renewals,
    remind_of_trials,
    renewal_reminders,
    set_renewal_reminders,
)
from guilder.domain.subscriptions.service.rolling import roll_due
from guilder.domain.subscriptions.service.standing import (
    mark_past_due,
    recover,
    set_payment_method,
    suspend,
    use_methods,
)

__all__ = [
    "forget_customer",
    "of_customer_export",
    "open_matters",
    "going_on",
    "unbilled_use_since",
    "AlreadyLinked",
    "DateIsPast",
    "IsBilledElsewhere",
    "IsLeaving",
    "NoSuchBillingDay",
    "ParentIsPaused",
    "StillDue",
    "TrialNotLonger",
    "activate",
    "add_ons",
    "behind",
    "billed_segments",
    "billed_since_closed",
    "cancel",
    "change",
    "create",
    "end",
    "extend_trial",
    "follow_provider",
    "get",
    "history",
    "hold",
    "keep",
    "link",
    "listing",
    "lock",
    "mark_billed",
    "mark_past_due",
    "move_billing_day",
    "of_customer",
    "of_customers",
    "of_organization",
    "one",
    "open_segments",
    "pause",
    "recover",
    "remind_of_renewals",
    "remind_of_trials",
    "renewal_reminders",
    "resume",
    "revoke_change",
    "roll_due",
    "saw_late",
    "segments_to_bill",
    "set_payment_method",
    "set_renewal_reminders",
    "some",
    "suspend",
    "trials_due",
    "use_methods",
]
