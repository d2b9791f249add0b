"""All SQL of dunning: one file for each of its nouns."""

from guilder.domain.dunning.store.cases import (
    claim_due,
    get,
    insert,
    insert_failures,
    known_failures,
    listing,
    lock,
    lock_by_invoice,
    lock_live_of,
    save,
    subscriptions_behind,
    with_case,
)
from guilder.domain.dunning.store.changes import changes_of, insert_changes
from guilder.domain.dunning.store.policies import forget_policy, policies, save_policy

__all__ = [
    "changes_of",
    "claim_due",
    "forget_policy",
    "get",
    "insert",
    "insert_changes",
    "insert_failures",
    "known_failures",
    "listing",
    "lock",
    "lock_by_invoice",
    "lock_live_of",
    "policies",
    "save",
    "save_policy",
    "subscriptions_behind",
    "with_case",
]
