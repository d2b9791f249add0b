"""Moving money: methods, payments, refunds, disputes, and the routes that say where."""

from guilder.domain.payments.model.attempts import (
    MANUAL,
    Answer,
    Payable,
    Payment,
    Receipt,
    State,
    Status,
    Transfer,
    Via,
)
from guilder.domain.payments.model.disputes import Dispute, DisputeNote, DisputeTold
from guilder.domain.payments.model.methods import MethodStatus, MethodTold, PaymentMethod
from guilder.domain.payments.model.reconciling import BooksTold, Difference, Found, OurDay, Settlement
from guilder.domain.payments.model.refunds import (
    GivenBack,
    GrantedBy,
    NewRefund,
    NoteWish,
    Refund,
    RefundPolicy,
    RefundReason,
    RefundStatus,
)
from guilder.domain.payments.model.routing import Route, Target
from guilder.domain.payments.model.two_persons import Limits, TwoPersonLimits

__all__ = [
    "MANUAL",
    "BooksTold",
    "Answer",
    "Difference",
    "Dispute",
    "DisputeNote",
    "DisputeTold",
    "Found",
    "GivenBack",
    "GrantedBy",
    "Limits",
    "MethodStatus",
    "MethodTold",
    "NewRefund",
    "NoteWish",
    "OurDay",
    "Payable",
    "Payment",
    "PaymentMethod",
    "Receipt",
    "Refund",
    "RefundPolicy",
    "RefundReason",
    "RefundStatus",
    "Route",
    "Settlement",
    "State",
    "Status",
    "Target",
    "Transfer",
    "TwoPersonLimits",
    "Via",
]
