"""The verbs of entitlements."""

from guilder.domain.entitlements.service.counting import count
from guilder.domain.entitlements.service.disputing import (
    DISPUTED,
    BlockedForDebt,
    PaidAnew,
    dispute_opened,
    paid_anew,
    readmit,
    set_settings,
    settings,
)
from guilder.domain.entitlements.service.forgetting import forget_customer, of_customer_export
from guilder.domain.entitlements.service.keeping import (
    block,
    follow,
    grant_products,
    paid_again,
    register,
    revoke,
    unblock,
)
from guilder.domain.entitlements.service.reading import blocked, standing, standings_of, that_blocked

__all__ = [
    "forget_customer",
    "of_customer_export",
    "DISPUTED",
    "BlockedForDebt",
    "PaidAnew",
    "block",
    "blocked",
    "count",
    "dispute_opened",
    "follow",
    "grant_products",
    "paid_again",
    "paid_anew",
    "readmit",
    "register",
    "revoke",
    "set_settings",
    "settings",
    "standing",
    "standings_of",
    "that_blocked",
    "unblock",
]
