"""What every order has in common: whom it is for, how it is paid, that it is written down, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.orders.events import OrderCanceled, OrderCompleted, OrderPlaced
from guilder.domain.orders.model import Answer, Order, OrderKind, OrderStatus
from guilder.domain.orders.rules.lifecycle import MOVES, Step
from guilder.domain.orders.service.checkout import payment_link
from guilder.domain.orders.store import orders as store
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import MethodStatus, Payment
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class MethodNotUsable(Invalid):
    """This is not a payment method of this customer that can be charged."""

    code = "payment_method_not_usable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for what, beside the thing itself: the same for every order.

    `only` is the one customer that whoever asks may order for; None may order for all of the tenant's.
    """

    base_url: str
    only: CustomerId | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


async def held_customer(tx: Tx, *, text: str, only: CustomerId | None, name: str) -> Customer:
    """Return the customer of an id or organization id, held until the commit: its orders are placed one after another.

    :raises NotFound: no such customer, or not theirs; names the field
    """
    try:
        return await customers.hold(tx, text=text, only=only)
    except NotFound as error:
        raise NotFound("there is no such customer", field=name) from error
    except customers.CustomerIsErased as error:
        raise customers.CustomerIsErased(field=name) from error


async def check_method(tx: Tx, *, customer_id: CustomerId, payment_method_id: UUID | None) -> None:
    """Let a payment method pass that is this customer's and can be charged.

    :raises MethodNotUsable: it is not
    """
    if payment_method_id is None:
        return
    usable = {each.id for each in await payments.methods(tx, customer_id=customer_id) if _is_usable(each.status)}
    if payment_method_id not in usable:
        raise MethodNotUsable(field="payment_method_id")


async def has_method(tx: Tx, subscription: Subscription) -> bool:
    """Say whether there is something to charge: a method of its own, or the customer's default one."""
    if subscription.payment_method_id is not None:
        return True
    return await has_default_method(tx, tenant_id=subscription.tenant_id, customer_id=subscription.customer_id)


async def has_default_method(tx: Tx, *, tenant_id: TenantId, customer_id: CustomerId) -> bool:
    customer = Ref(tenant_id, customer_id)
    return customer in await payments.default_methods(tx, refs=[customer])


def _is_usable(status: MethodStatus) -> bool:
    return status is MethodStatus.VALID


async def place(
    tx: Tx,
    order: Order,
    *,
    invoice: Invoice | None,
    payment: Payment | None,
    subscription: Subscription | None,
    base_url: str,
    abandon_at: datetime | None = None,
    now: datetime,
) -> Answer:
    """Write an order down with what came of it, and say what is owed for it and where that can be paid.

    `payment` is the invoice's, if it has one. It is complete at once if nothing is owed. `abandon_at` is when it is given
    up, if nobody has paid it by link until then.
    """
    is_owed = invoice is not None and invoice.status is not InvoiceStatus.PAID
    placed = replace(
        order,
        amount_due=invoice.due if invoice else order.amount_due,
        invoice_id=invoice.id if invoice else None,
        subscription_id=subscription.id if subscription else None,
        abandon_at=abandon_at if is_owed else None,
    )
    if not is_owed:
        placed = complete(placed, at=now)
    await store.insert(tx, placed)
    outbox.announce(tx, [_placed(placed)], now=now)
    if not is_owed:
        outbox.announce(tx, [completed_event(placed)], now=now)
    link = await link_to_pay(tx, invoice, base_url=base_url, now=now)
    return Answer(order=placed, subscription=subscription, invoice=invoice, payment=payment, payment_link=link)


async def current_payment(tx: Tx, invoice: Invoice | None) -> Payment | None:
    if invoice is None or invoice.due.is_zero:
        return None
    return (await payments.current(tx, invoices=[invoice.ref])).get(invoice.ref)


async def link_to_pay(tx: Tx, invoice: Invoice | None, *, base_url: str, now: datetime) -> str | None:
    if invoice is None or invoice.due.minor <= 0:
        return None
    return await payment_link(tx, tenant_id=invoice.tenant_id, invoice_id=invoice.id, base_url=base_url, now=now)


def new_order(
    ref: Ref, *, customer_id: CustomerId, kind: OrderKind, currency: str, metadata: Mapping[str, str], now: datetime
) -> Order:
    return Order(
        tenant_id=ref.tenant_id,
        id=ref.id,
        customer_id=customer_id,
        kind=kind,
        status=OrderStatus.PROCESSING,
        created_at=now,
        amount_due=Money(0, currency),
        metadata=metadata,
    )


def complete(order: Order, *, at: datetime) -> Order:
    status = lifecycle.take(MOVES, order.status, Step.COMPLETE)
    return replace(order, status=status, completed_at=at, abandon_at=None)


def cancel(order: Order) -> Order:
    return replace(order, status=lifecycle.take(MOVES, order.status, Step.CANCEL), abandon_at=None)


def _placed(order: Order) -> OrderPlaced:
    return OrderPlaced(
        tenant_id=order.tenant_id,
        order_id=order.id,
        customer_id=order.customer_id,
        kind=order.kind.value,
        amount_due=order.amount_due,
    )


def completed_event(order: Order) -> OrderCompleted:
    assert order.completed_at is not None, order.ref
    days = order.access_days
    return OrderCompleted(
        tenant_id=order.tenant_id,
        order_id=order.id,
        customer_id=order.customer_id,
        kind=order.kind.value,
        completed_at=order.completed_at,
        product_id=order.product_id,
        product_code=order.product_code,
        access_until=order.completed_at + timedelta(days=days) if days else None,
        invoice_id=order.invoice_id,
    )


def canceled_event(order: Order) -> OrderCanceled:
    return OrderCanceled(
        tenant_id=order.tenant_id, order_id=order.id, customer_id=order.customer_id, kind=order.kind.value
    )
