"""Paying again by hand what a payment failed for."""

from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Status
from guilder.domain.orders.model import Answer
from guilder.domain.orders.service.placing import check_method, current_payment, link_to_pay
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx


class NothingToPay(Conflict):
    """Nothing is owed on this invoice."""

    code = "nothing_to_pay"


async def repay(
    tx: Tx,
    *,
    invoice: UUID | str,
    payment_method_id: UUID | None,
    base_url: str,
    only: CustomerId | None = None,
    now: datetime,
) -> Answer:
    """Pay an open invoice again: with the saved method that is named, or by the link in the answer.

    Money that has come in and is not counted yet is not asked for twice.

    :raises NotFound: no such invoice, or not theirs
    :raises NothingToPay: it is paid, or was voided
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    """
    seen = await invoicing.one(tx, invoice=invoice, customer_id=only)
    # Held, so that it is not voided while it is asked for.
    found = (await invoicing.lock(tx, refs=[seen.ref]))[seen.ref]
    payment = await current_payment(tx, found)
    is_coming_in = payment is not None and payment.status is PaymentStatus.SUCCEEDED
    if found.status not in (Status.OPEN, Status.UNCOLLECTIBLE) or found.due.minor <= 0 or is_coming_in:
        raise NothingToPay
    if payment_method_id is not None:
        await check_method(tx, customer_id=found.customer_id, payment_method_id=payment_method_id)
        owed = invoicing.payable_of(found, via=Via.SAVED, payment_method_id=payment_method_id)
        [payment] = await payments.collect(tx, payables=[owed], now=now)
    link = await link_to_pay(tx, found, base_url=base_url, now=now)
    return Answer(order=None, invoice=found, payment=payment, payment_link=link)
