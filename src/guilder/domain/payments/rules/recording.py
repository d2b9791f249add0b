"""What an answer makes of a payment. Answers race with notices and come in any order, any number of times."""

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import Answer, Payment, Status, Via
from guilder.domain.payments.rules.lifecycle import SETTLED, Step, after, allows
from guilder.kernel.noun import replace

AMOUNT_MISMATCH = "amount_mismatch"
PAID_AFTER_CANCEL = "paid_after_cancel"

_STEPS = {
    OutcomeKind.SUCCEEDED: Step.SUCCEED,
    OutcomeKind.DECLINED: Step.DECLINE,
    OutcomeKind.REQUIRES_ACTION: Step.ASK_CUSTOMER,
    OutcomeKind.CANCELED: Step.CANCEL,
    OutcomeKind.UNKNOWN: Step.DOUBT,
}
assert set(_STEPS) == set(OutcomeKind)


def told(payment: Payment, answer: Answer) -> Payment:
    """Return the payment as it is after this answer: the same object where nothing follows from it."""
    outcome = answer.outcome
    if outcome.kind is OutcomeKind.SUCCEEDED and outcome.amount != payment.amount:
        return _parked(payment, outcome)
    if outcome.kind is OutcomeKind.SUCCEEDED and payment.status is Status.CANCELED:
        return replace(
            payment,
            alert=PAID_AFTER_CANCEL,
            # When the money came in, whenever it was canceled.
            settled_at=payment.settled_at if payment.alert == PAID_AFTER_CANCEL else answer.at,
            provider_ref=outcome.provider_ref or payment.provider_ref,
            charge_ref=outcome.charge_ref or payment.charge_ref,
        )
    if outcome.kind is OutcomeKind.DECLINED and not _ends_attempt(payment, answer):
        return _tried_in_vain(payment, outcome)
    step = _STEPS[outcome.kind]
    if not allows(payment.status, step) or _is_idle_talk(payment, answer, step):
        return payment
    status = after(payment.status, step)
    moved = replace(
        payment,
        status=status,
        provider_ref=outcome.provider_ref or payment.provider_ref,
        charge_ref=outcome.charge_ref or payment.charge_ref,
        decline_code=outcome.decline_code,
        is_hard_decline=outcome.is_hard_decline,
        brand=outcome.card.brand if outcome.card else payment.brand,
        last4=outcome.card.last4 if outcome.card else payment.last4,
        label=outcome.card.label if outcome.card else payment.label,
        action_url=(outcome.action_url or payment.action_url) if status is Status.REQUIRES_ACTION else "",
        alert=outcome.alert,
        check_due_at=None,
    )
    if status not in SETTLED:
        return moved
    # Its hold is what the caller decides: a success may come beside another payment.
    return replace(moved, settled_at=answer.at, holds_invoice=payment.holds_invoice and status is Status.SUCCEEDED)


def _ends_attempt(payment: Payment, answer: Answer) -> bool:
    """Say whether a decline is the end: a notice's is not, for the object is still open at the provider then.

    Off session the performer closes the object and then answers; on the hosted page the customer can try again.
    """
    if answer.is_notice or answer.kind is not RequestKind.CHARGE:
        return False
    return payment.status is not Status.CANCELING


def _tried_in_vain(payment: Payment, outcome: Outcome) -> Payment:
    if payment.via is not Via.LINK or payment.status not in {Status.REQUIRES_ACTION, Status.UNKNOWN}:
        return payment
    # What was pending has failed; the page can be used again.
    status = Status.REQUIRES_ACTION if payment.action_url else payment.status
    return replace(payment, status=status, decline_code=outcome.decline_code, is_hard_decline=outcome.is_hard_decline)


def _is_idle_talk(payment: Payment, answer: Answer, step: Step) -> bool:
    """Say whether the performer of this payment knows better, and will answer."""
    if payment.via is not Via.SAVED:
        return False
    # A saved method is never left waiting for a customer who is not there; and the notice that its object was closed
    # may come before the answer that says why: it was declined.
    is_closed = step is Step.CANCEL and answer.is_notice and payment.status is not Status.CANCELING
    return step is Step.ASK_CUSTOMER or is_closed


def _parked(payment: Payment, outcome: Outcome) -> Payment:
    """Money of another amount than asked: never paid, and a person has to look at it."""
    # What came in late is known, and on its way back: told of once more it would be booked and given back once more.
    if payment.status is Status.SUCCEEDED or payment.alert == PAID_AFTER_CANCEL:
        return payment
    if payment.status in SETTLED:
        return replace(payment, alert=AMOUNT_MISMATCH)
    status = after(payment.status, Step.DOUBT) if allows(payment.status, Step.DOUBT) else payment.status
    return replace(
        payment, status=status, alert=AMOUNT_MISMATCH, provider_ref=outcome.provider_ref or payment.provider_ref
    )
