"""Dunning's verbs."""

from guilder.domain.dunning.service.clockwork import block_due, remind_due, resume_due, retry_due
from guilder.domain.dunning.service.ending import paid, voided
from guilder.domain.dunning.service.failing import failed, look_again, unpaid
from guilder.domain.dunning.service.forgetting import forget_customer, of_customer_export, open_matters
from guilder.domain.dunning.service.managing import (
    BadPause,
    CaseIsEnded,
    CaseIsNotPaused,
    CaseIsPaused,
    NoMethodToCharge,
    SentToBePaid,
    changes,
    forgive,
    give_up,
    listing,
    one,
    pause,
    resume,
    retry_now,
)
from guilder.domain.dunning.service.ruling import example, policy, remove_policy, set_policy
from guilder.domain.dunning.service.trying import (
    PaymentUnderWay,
    default_changed,
    method_added,
    method_paid_with,
    method_updated,
    own_method_changed,
)
from guilder.domain.dunning.store.changes import REASONS

# What is sealed of what people write: for the walk that seals what was written before.
WORDS = (REASONS,)

__all__ = [
    "WORDS",
    "forget_customer",
    "of_customer_export",
    "open_matters",
    "BadPause",
    "CaseIsEnded",
    "CaseIsNotPaused",
    "CaseIsPaused",
    "NoMethodToCharge",
    "PaymentUnderWay",
    "SentToBePaid",
    "block_due",
    "changes",
    "default_changed",
    "example",
    "failed",
    "forgive",
    "give_up",
    "listing",
    "look_again",
    "method_added",
    "method_paid_with",
    "method_updated",
    "own_method_changed",
    "one",
    "paid",
    "pause",
    "policy",
    "remind_due",
    "remove_policy",
    "resume",
    "resume_due",
    "retry_due",
    "retry_now",
    "set_policy",
    "unpaid",
    "voided",
]
