"""What customers are told, and what it is about."""

from datetime import datetime, timedelta
from typing import Any

from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Draft, Invoice, LineKind, NewLine
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW

LATER = NOW + timedelta(days=1)


async def an_open_invoice(
    tx: Tx,
    customer: Customer,
    subscription: Subscription | None = None,
    *,
    amount: int = 3000,
    now: datetime = NOW,
    **over: Any,
) -> Invoice:
    """Bill a customer by payment link: for a subscription's period, or for something that is bought once. `over` is said
    of the draft."""
    item = ids.new(now)
    line = NewLine(
        kind=LineKind.RECURRING if subscription else LineKind.CHARGE,
        description="Pro, monthly" if subscription else "A film",
        amount=Money(amount, "EUR"),
        period=subscription.current_period if subscription else None,
        subscription_id=subscription.id if subscription else None,
        billed_item=f"test:{item}",
    )
    draft = Draft(
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        currency="EUR",
        lines=(line,),
        issued_at=now,
        subscription_id=subscription.id if subscription else None,
        **over,
    )
    [made] = await invoicing.finalize(tx, drafts=[draft], via=Via.LINK, now=now)
    return made


def a_message(customer: Customer, kind: Kind = Kind.REFUND_SUCCEEDED, **over: Any) -> NewNotification:
    """Something to be told; by default a refund, which needs nothing else to speak of."""
    said = {
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "kind": kind,
        "cause_id": ids.new(NOW),
        "about": About(amount=Money(3000, "EUR")),
    }
    return NewNotification(**{**said, **over})
