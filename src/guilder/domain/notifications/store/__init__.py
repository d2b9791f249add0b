"""The SQL of notifications."""

from guilder.domain.notifications.store.bounces import bounces, bounces_behind, clear_bounce, save_bounce, save_digest
from guilder.domain.notifications.store.endpoints import endpoint, endpoints, find_endpoint, save_endpoint
from guilder.domain.notifications.store.messages import (
    by_provider_ref,
    followed,
    get,
    insert,
    listing,
    lock_pending,
    mailboxes,
    mark_bounced,
    one,
    release,
    release_due,
    save,
    told,
)
from guilder.domain.notifications.store.spending import count, limits, lock_spent, save_limits, spent
from guilder.domain.notifications.store.wishes import (
    drop_words,
    preferences,
    save_preferences,
    save_words,
    words,
    words_of_tenant,
)

__all__ = [
    "followed",
    "bounces_behind",
    "save_digest",
    "bounces",
    "by_provider_ref",
    "clear_bounce",
    "count",
    "drop_words",
    "endpoint",
    "endpoints",
    "find_endpoint",
    "get",
    "insert",
    "limits",
    "listing",
    "lock_pending",
    "lock_spent",
    "mailboxes",
    "mark_bounced",
    "one",
    "preferences",
    "release",
    "release_due",
    "save",
    "save_bounce",
    "save_endpoint",
    "save_limits",
    "save_preferences",
    "save_words",
    "spent",
    "told",
    "words",
    "words_of_tenant",
]
