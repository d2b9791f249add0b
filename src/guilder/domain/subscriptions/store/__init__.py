"""The SQL of subscriptions."""

from guilder.domain.subscriptions.store.history import history, passed, some
from guilder.domain.subscriptions.store.reminders import (
    claim_renewal_reminders,
    renewal_reminders,
    renewals_reminded,
    save_renewal_reminders,
)
from guilder.domain.subscriptions.store.segments import (
    claim_segments,
    insert_segments,
    mark_billed,
    save_late_seen,
    segments_of,
)
from guilder.domain.subscriptions.store.subscriptions import (
    add_ons,
    claim_due,
    claim_trial_reminders,
    due_among,
    get,
    insert,
    listing,
    lock,
    lock_add_ons,
    of_customer,
    of_customers,
    of_organization,
    plan_trial_reminders,
    save,
    trials_due,
)

__all__ = [
    "add_ons",
    "claim_due",
    "claim_renewal_reminders",
    "claim_segments",
    "claim_trial_reminders",
    "due_among",
    "get",
    "history",
    "insert",
    "insert_segments",
    "listing",
    "lock",
    "lock_add_ons",
    "mark_billed",
    "of_customer",
    "of_customers",
    "of_organization",
    "passed",
    "plan_trial_reminders",
    "renewal_reminders",
    "renewals_reminded",
    "save",
    "save_late_seen",
    "save_renewal_reminders",
    "segments_of",
    "some",
    "trials_due",
]
