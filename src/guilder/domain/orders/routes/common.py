"""What the routes of orders have in common: who asks, for what beside the thing itself, and what they wait for."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service
from guilder.domain.orders.model import Answer, OrderStatus
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.fields import Out
from guilder.platform.http.session import RequestSession

T = TypeVar("T", bound=Out)

_FAILED = frozenset({PaymentStatus.DECLINED, PaymentStatus.CANCELED})


def asked_by(session: RequestSession, metadata: dict[str, str]) -> service.Asked:
    return service.Asked(base_url=session.base_url, only=session.customer_filter, metadata=metadata)


def wait_for_payment(session: RequestSession, answer: Answer, to_wire: Callable[[Answer], T]) -> None:
    """With a saved method there is something to wait for: what was asked is paid and done, or the payment failed."""
    payment = answer.payment
    if payment is None or payment.via is not Via.SAVED:
        return

    async def look(tx: Tx, _now: datetime) -> Envelope[T] | None:
        assert answer.invoice is not None, "a payment is for an invoice"
        paid_by = (await payments.get(tx, refs=[payment.ref]))[payment.ref]
        invoice = await invoicing.one(tx, invoice=answer.invoice.id)
        reached = replace(
            answer,
            order=answer.order and await service.one(tx, order_id=answer.order.id),
            subscription=answer.subscription and await subscriptions.one(tx, ref=answer.subscription.ref),
            invoice=invoice,
            payment=paid_by,
            payment_link=answer.payment_link if invoice.due.minor else None,
        )
        return ok(to_wire(reached)) if paid_by.status in _FAILED or _is_done(reached) else None

    session.wait_for(look)


def _is_done(reached: Answer) -> bool:
    return (
        not (reached.invoice and reached.invoice.due.minor)
        and not (reached.order and reached.order.status is OrderStatus.PROCESSING)
        and not (reached.subscription and reached.subscription.status is Status.PROCESSING)
    )
