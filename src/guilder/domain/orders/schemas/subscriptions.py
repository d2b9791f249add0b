"""What is said of subscriptions that an order changed: just as reading them says it, and what is owed for the order."""

from guilder.domain.orders.model import Answer
from guilder.domain.orders.schemas.fields import InvoiceRef, OrderRef
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions.schemas import SubscriptionOut, said_of


class SubscribedOut(SubscriptionOut):
    """A subscription, with what is owed for this order now and where it can be paid.

    `invoice_id` may name a credit note: what an order gave back.
    """

    order_id: OrderRef | None
    invoice_id: InvoiceRef | None
    amount_due: int
    payment_link: str | None
    payment_status: PaymentStatus | None


def subscribed_to_wire(answer: Answer) -> SubscribedOut:
    assert answer.subscription is not None
    due = answer.amount_due
    return SubscribedOut(
        **said_of(answer.subscription),
        order_id=answer.order.id if answer.order else None,
        invoice_id=answer.invoice.id if answer.invoice else None,
        amount_due=due.minor if due else 0,
        payment_link=answer.payment_link,
        payment_status=answer.payment.status if answer.payment else None,
    )
