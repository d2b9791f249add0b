"""What the checkout page says: one state, worked out from the invoice, its latest payment and the link."""

from enum import StrEnum

from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus


class State(StrEnum):
    OPEN = "open"  # can be paid
    OPENING = "opening"  # the provider's page is being prepared
    CONTINUE = "continue"  # the provider's page is ready
    TRANSFER = "transfer"  # the customer is to transfer the money, and reads how
    PROCESSING = "processing"  # the outcome is not known yet
    DECLINED = "declined"  # can be tried again
    PAID = "paid"
    VOID = "void"
    EXPIRED = "expired"


PAYABLE = frozenset({State.OPEN, State.CONTINUE, State.DECLINED})
# The page looks again by itself while something is under way.
REFRESHED = frozenset({State.OPENING, State.PROCESSING})

_OF_PAYMENT: dict[PaymentStatus, State] = {
    PaymentStatus.AWAITING_CUSTOMER: State.OPEN,
    PaymentStatus.REQUESTED: State.PROCESSING,
    PaymentStatus.PREPARED: State.PROCESSING,
    PaymentStatus.REQUIRES_ACTION: State.CONTINUE,
    PaymentStatus.UNKNOWN: State.PROCESSING,
    PaymentStatus.CANCELING: State.PROCESSING,
    PaymentStatus.SUCCEEDED: State.PROCESSING,  # the money is there; the invoice hears of it in a moment
    PaymentStatus.DECLINED: State.DECLINED,
    PaymentStatus.CANCELED: State.OPEN,
}
assert set(_OF_PAYMENT) == set(PaymentStatus)

_OF_INVOICE = {InvoiceStatus.PAID: State.PAID, InvoiceStatus.VOID: State.VOID}
_ON_ITS_WAY = {PaymentStatus.REQUESTED, PaymentStatus.PREPARED}
_AWAITED = {*_ON_ITS_WAY, PaymentStatus.REQUIRES_ACTION, PaymentStatus.UNKNOWN}


def state_of(
    invoice: Invoice, payment: Payment | None, *, is_expired: bool, is_back: bool = False, is_done: bool = False
) -> State:
    """Say what the page shows. `is_back`: the customer has just come back from the provider's page; `is_done`: after
    paying there, so an earlier decline is not the news any more.

    What is paid or void is so whether or not the link has expired: whoever kept it reads the truth.
    """
    if invoice.status in _OF_INVOICE:
        return _OF_INVOICE[invoice.status]
    if is_expired:
        return State.EXPIRED
    if payment is None:
        return State.OPEN
    if payment.is_by_hand and payment.status in _AWAITED:
        return State.TRANSFER
    if payment.via is Via.LINK and payment.status in _ON_ITS_WAY:
        return State.OPENING
    if payment.status is PaymentStatus.REQUIRES_ACTION and not payment.action_url:
        return State.OPENING
    if payment.status is PaymentStatus.REQUIRES_ACTION and payment.decline_code and not is_done:
        return State.DECLINED  # on the gateway's page, which can be used again
    if payment.status is PaymentStatus.REQUIRES_ACTION and (is_back or is_done):
        return State.PROCESSING
    return _OF_PAYMENT[payment.status]
