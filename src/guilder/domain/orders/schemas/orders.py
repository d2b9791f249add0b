"""What is said and heard of orders themselves: buying, paying, paying again."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.orders.model import Answer, Order, OrderKind, OrderStatus, Recurring
from guilder.domain.orders.schemas.fields import (
    CustomerRef,
    InvoiceRef,
    MethodRef,
    OrderRef,
    OrganizationId,
    PaymentRef,
    ProductName,
    ProductRef,
    SubscriptionRef,
)
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.http.fields import CurrencyCode, In, Metadata, Name, Out, PositiveAmount


class RecurringIn(In):
    interval: Unit
    interval_count: Annotated[int, Field(ge=1, le=1000)] = 1


class OrderIn(In):
    """A product, or an amount that the tenant names; with `recurring` an amount that is paid again and again."""

    customer: OrganizationId
    product: Annotated[ProductName | None, Field(validation_alias=AliasChoices("product", "product_id"))] = None
    amount: PositiveAmount | None = None
    currency: CurrencyCode | None = None
    description: Name = "Payment"
    payment_method_id: MethodRef | None = None
    recurring: RecurringIn | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.product is None) == (self.amount is None):
            raise PydanticCustomError("product_or_amount", "should have either a product or an amount")
        if self.amount is not None and self.currency is None:
            raise PydanticCustomError("currency_missing", "an amount needs its currency", {"field": "currency"})
        if self.product is not None and self.recurring is not None:
            raise PydanticCustomError(
                "recurring_product", "a product is bought once: it needs an amount", {"field": "recurring"}
            )
        return self

    def to_money(self) -> Money:
        assert self.amount is not None
        assert self.currency is not None
        return Money(self.amount, self.currency)

    def to_recurring(self) -> Recurring | None:
        if self.recurring is None:
            return None
        interval = Interval(self.recurring.interval, self.recurring.interval_count)
        return Recurring(interval=interval, name=self.description)


class RepayIn(In):
    payment_method_id: MethodRef | None = None


class OrderOut(Out):
    id: OrderRef
    kind: OrderKind
    status: OrderStatus
    customer_id: CustomerRef
    subscription_id: SubscriptionRef | None
    invoice_id: InvoiceRef | None
    product_id: ProductRef | None
    product_code: str | None
    amount_due: int
    currency: str
    completed_at: datetime | None
    metadata: dict[str, str]
    created_at: datetime


class PlacedOut(OrderOut):
    """An order, with where it can be paid."""

    payment_link: str | None
    payment_status: PaymentStatus | None


class RepaidOut(Out):
    """How an invoice stands after somebody asked to pay it, and where it can be paid."""

    invoice_id: InvoiceRef
    invoice_status: InvoiceStatus
    amount_due: int
    currency: str
    payment_id: PaymentRef | None
    payment_status: PaymentStatus | None
    payment_link: str | None


def placed_to_wire(answer: Answer) -> PlacedOut:
    assert answer.order is not None
    return PlacedOut(
        **order_to_wire(answer.order).model_dump(),
        payment_link=answer.payment_link,
        payment_status=answer.payment.status if answer.payment else None,
    )


def repaid_to_wire(answer: Answer) -> RepaidOut:
    invoice = answer.invoice
    assert invoice is not None
    return RepaidOut(
        invoice_id=invoice.id,
        invoice_status=invoice.status,
        amount_due=invoice.due.minor,
        currency=invoice.currency,
        payment_id=answer.payment.id if answer.payment else None,
        payment_status=answer.payment.status if answer.payment else None,
        payment_link=answer.payment_link,
    )


def order_to_wire(order: Order) -> OrderOut:
    return OrderOut(
        id=order.id,
        kind=order.kind,
        status=order.status,
        customer_id=order.customer_id,
        subscription_id=order.subscription_id,
        invoice_id=order.invoice_id,
        product_id=order.product_id,
        product_code=order.product_code or None,
        amount_due=order.amount_due.minor,
        currency=order.amount_due.currency,
        completed_at=order.completed_at,
        metadata=dict(order.metadata),
        created_at=order.created_at,
    )
