"""What came in too much or too late goes back by itself; and again, where its provider would not take it back at first."""

from datetime import datetime, timedelta

from guilder.domain.payments.model import Payment
from guilder.domain.payments.rules.recording import PAID_AFTER_CANCEL

RETURN_FAILED = "return_failed"
# After the first refusal, the second, the third. An account that is empty today is filled again by then.
AGAIN_AFTER = (timedelta(days=1), timedelta(days=3), timedelta(days=7))


def is_stray(payment: Payment) -> bool:
    """Say whether its money came in and pays nothing: it is the customer's."""
    return payment.is_overpayment or (payment.alert == PAID_AFTER_CANCEL and payment.account_id is not None)


def next_return(failed: int, *, now: datetime) -> datetime | None:
    """Say when to give it back again, after so many refusals; None: a person has to."""
    assert failed >= 1, failed
    return now + AGAIN_AFTER[failed - 1] if failed <= len(AGAIN_AFTER) else None
