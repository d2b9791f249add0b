"""What every order has in common: whom it is for, how it is paid, that it is written down, and what is answered."""

from collections.abc import Mapping, Sequence
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
from guilder.domain.payments.model import MethodStatus, Payment, PaymentMethod
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref
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

    `only` is the one customer that whoever asks may order for; None may order for all of the tenant's. `request_id` and
    `traceparent` are of its own request, where a transaction answers several.
    """

    base_url: str
    only: CustomerId | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    traceparent: str | None = None


async def held_customer(tx: Tx, *, text: str, only: CustomerId | None, name: str) -> Customer:
    """Return the customer of an id or organization id, held until the commit: its orders are placed one after another.

    :raises NotFound: no such customer, or not theirs; names the field
    :raises CustomerIsErased: its data was erased; names the field
    """
    held = await customers.hold_each(tx, texts=[text], only=only)
    return found_customer(held.get(text), name=name)


def found_customer(customer: Customer | None, *, name: str) -> Customer:
    """Return a customer who was found, and is somebody still.

    :raises NotFound: there is none; names the field
    :raises CustomerIsErased: its data was erased; names the field
    """
    if customer is None:
        raise NotFound("there is no such customer", field=name)
    if customer.is_erased:
        raise customers.CustomerIsErased(field=name)
    return customer


async def check_method(tx: Tx, *, customer_id: CustomerId, payment_method_id: UUID | None) -> PaymentMethod | None:
    """Return a payment method that is this customer's and can be charged; None where none is named.

    :raises MethodNotUsable: it is not
    """
    if payment_method_id is None:
        return None
    ref = Ref(tx.tenant_id, payment_method_id)
    return check_found((await payments.named_methods(tx, refs=[ref])).get(ref), customer_id=customer_id)


def check_found(method: PaymentMethod | None, *, customer_id: CustomerId) -> PaymentMethod:
    """Return a payment method that was found, is this customer's and can be charged.

    :raises MethodNotUsable: it is not
    """
    if method is None or method.customer_id != customer_id or method.status is not MethodStatus.VALID:
        raise MethodNotUsable(field="payment_method_id")
    return method


async def has_method(tx: Tx, subscription: Subscription) -> bool:
    """Say whether there is something to charge: a method of its own, or the customer's default one."""
    customer = Ref(subscription.tenant_id, subscription.customer_id)
    return bool(await payments.chargeable(tx, charged=[(customer, subscription.payment_method_id)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What came of an order. `payment` is the invoice's, if it has one; `abandon_at` is when the order is given up, if
    nobody has paid it by link until then."""

    order: Order
    invoice: Invoice | None
    payment: Payment | None
    subscription: Subscription | None
    base_url: str
    abandon_at: datetime | None = None

    @property
    def is_owed(self) -> bool:
        return self.invoice is not None and self.invoice.status is not InvoiceStatus.PAID


async def place(tx: Tx, brought: Sequence[Brought], *, now: datetime) -> list[Answer]:
    """Write orders down with what came of them, and say what is owed for each and where that can be paid.

    One for which nothing is owed is complete at once.
    """
    placed = [_order_of(each, now=now) for each in brought]
    await store.insert(tx, placed)
    for each in placed:
        outbox.announce(tx, [_placed(each)], now=now)
        if each.status is OrderStatus.COMPLETED:
            outbox.announce(tx, [completed_event(each)], now=now)
    return [
        Answer(
            order=order,
            subscription=each.subscription,
            invoice=each.invoice,
            payment=each.payment,
            payment_link=await link_to_pay(tx, each.invoice, base_url=each.base_url, now=now),
        )
        for each, order in zip(brought, placed, strict=True)
    ]


def _order_of(brought: Brought, *, now: datetime) -> Order:
    invoice, subscription = brought.invoice, brought.subscription
    order = replace(
        brought.order,
        amount_due=invoice.due if invoice else brought.order.amount_due,
        invoice_id=invoice.id if invoice else None,
        subscription_id=subscription.id if subscription else None,
        abandon_at=brought.abandon_at if brought.is_owed else None,
    )
    return order if brought.is_owed else complete(order, at=now)


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
