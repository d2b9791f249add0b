"""Dunning's verbs."""

from guilder.domain.dunning.service.clockwork import block_due, remind_due, retry_due
from guilder.domain.dunning.service.ending import paid, voided
from guilder.domain.dunning.service.failing import failed, unpaid
from guilder.domain.dunning.service.managing import (
    CaseIsEnded,
    NoMethodToCharge,
    SentToBePaid,
    give_up,
    listing,
    one,
    policy,
    retry_now,
    set_policy,
)
from guilder.domain.dunning.service.trying import PaymentUnderWay, method_added

__all__ = [
    "CaseIsEnded",
    "NoMethodToCharge",
    "PaymentUnderWay",
    "SentToBePaid",
    "block_due",
    "failed",
    "give_up",
    "listing",
    "method_added",
    "one",
    "paid",
    "policy",
    "remind_due",
    "retry_due",
    "retry_now",
    "set_policy",
    "unpaid",
    "voided",
]
