"""The verbs of payments. Batches in, batches out; each locks in one order and announces what came of it."""

from guilder.domain.payments.service.collecting import (
    NoGateway,
    cancel,
    collect,
    look_after,
    open_session,
    start,
)
from guilder.domain.payments.service.hearing import tell
from guilder.domain.payments.service.methods import (
    MethodNotUsable,
    add_method,
    default_methods,
    method,
    methods,
    record_setups,
    remove_method,
    set_default_method,
)
from guilder.domain.payments.service.reading import (
    current,
    get,
    history,
    one,
    refunded_totals,
    succeeded_totals,
)
from guilder.domain.payments.service.recording import record
from guilder.domain.payments.service.refunding import (
    NothingToRefund,
    RefundTooLarge,
    ask_refund,
    grant_refund,
    make_refund,
    record_refunds,
    refund,
    refund_policy,
    refunds,
    refuse_refund,
    set_refund_policy,
)

__all__ = [
    "MethodNotUsable",
    "NoGateway",
    "NothingToRefund",
    "RefundTooLarge",
    "add_method",
    "ask_refund",
    "cancel",
    "collect",
    "current",
    "default_methods",
    "get",
    "grant_refund",
    "history",
    "look_after",
    "make_refund",
    "method",
    "methods",
    "one",
    "open_session",
    "record",
    "record_refunds",
    "record_setups",
    "refund",
    "refund_policy",
    "refunded_totals",
    "refunds",
    "refuse_refund",
    "remove_method",
    "set_default_method",
    "set_refund_policy",
    "start",
    "succeeded_totals",
    "tell",
]
