"""What HTTP says and hears of orders, and of the subscriptions that they change."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AliasChoices, Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.orders.model import Answer, Order, OrderKind, OrderStatus, Recurring
from guilder.domain.orders.rules.change import When
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.http.fields import (
    CurrencyCode,
    IdOf,
    IdOrCode,
    In,
    Metadata,
    Name,
    Out,
    PositiveAmount,
    Quantity,
    Text,
)

SubscriptionRef = Annotated[UUID, IdOf("sub")]
CustomerRef = Annotated[UUID, IdOf("cus")]
OrderRef = Annotated[UUID, IdOf("ord")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
PaymentRef = Annotated[UUID, IdOf("pay")]
MethodRef = Annotated[UUID, IdOf("pm")]
PlanRef = Annotated[UUID, IdOf("plan")]
PlanName = Annotated[UUID | str, IdOrCode("plan")]
ProductRef = Annotated[UUID, IdOf("prod")]
ProductName = Annotated[UUID | str, IdOrCode("prod")]
OrganizationId = Annotated[str, Text(255)]
Cycle = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9_]{1,40}$")]
TrialDays = Annotated[int, Field(ge=0, le=3650)]


class SubscribeIn(In):
    """`trial_days` is for the tenant's own to say; where it is not said, the plan says it."""

    organization_id: OrganizationId
    plan_id: PlanName
    billing_cycle: Cycle | None = None
    currency: CurrencyCode | None = None
    payment_method_id: MethodRef | None = None
    quantity: Quantity = 1
    trial_days: TrialDays | None = None
    metadata: Metadata = {}


class ChangeIn(In):
    """What is to be different; what is not said stays. `when`: `now` or `period_end`; left out, an upgrade is now."""

    plan_id: PlanName | None = None
    billing_cycle: Cycle | None = None
    quantity: Quantity | None = None
    when: When | None = None
    auto_renew: bool | None = None
    payment_method_id: MethodRef | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.changes_terms or self.auto_renew is not None or self.payment_method_id is not None):
            raise PydanticCustomError("nothing_to_change", "should say what is to be different")
        return self

    @property
    def changes_terms(self) -> bool:
        return any(each is not None for each in (self.plan_id, self.billing_cycle, self.quantity))


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
            raise PydanticCustomError("currency_missing", "an amount needs its currency")
        if self.product is not None and self.recurring is not None:
            raise PydanticCustomError("recurring_product", "a product is bought once; recurring needs an amount")
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


class PendingChangeOut(Out):
    """What the subscription will be from `takes_effect_at` on."""

    plan_id: PlanRef
    plan_code: str
    billing_cycle: str
    quantity: int
    unit_amount: int
    takes_effect_at: datetime


class SubscriptionOut(Out):
    id: SubscriptionRef
    organization_id: str
    customer_id: CustomerRef
    plan_id: PlanRef
    plan_code: str
    plan_version: int
    billing_cycle: str
    interval: Unit
    interval_count: int
    quantity: int
    unit_amount: int
    amount: int
    currency: str
    status: Status
    current_period_start: datetime
    current_period_end: datetime
    trial_ends_at: datetime | None
    cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    payment_method_id: MethodRef | None
    pending_change: PendingChangeOut | None
    time_zone: str
    metadata: dict[str, str]
    created_at: datetime


class SubscribedOut(SubscriptionOut):
    """A subscription, with what is owed for this order now and where it can be paid."""

    order_id: OrderRef | None
    invoice_id: InvoiceRef | None
    amount_due: int
    payment_link: str | None
    payment_status: PaymentStatus | None


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


def subscribed_to_wire(answer: Answer) -> SubscribedOut:
    assert answer.subscription is not None
    due = answer.amount_due
    return SubscribedOut(
        **subscription_to_wire(answer.subscription).model_dump(),
        order_id=answer.order.id if answer.order else None,
        invoice_id=answer.invoice.id if answer.invoice else None,
        amount_due=due.minor if due else 0,
        payment_link=answer.payment_link,
        payment_status=answer.payment.status if answer.payment else None,
    )


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


def subscription_to_wire(subscription: Subscription) -> SubscriptionOut:
    terms = subscription.terms
    return SubscriptionOut(
        id=subscription.id,
        organization_id=subscription.organization_id,
        customer_id=subscription.customer_id,
        plan_id=terms.plan_id,
        plan_code=terms.plan_code,
        plan_version=terms.plan_version,
        billing_cycle=terms.billing_cycle,
        interval=terms.interval.unit,
        interval_count=terms.interval.count,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount.minor,
        amount=terms.amount.minor,
        currency=terms.unit_amount.currency,
        status=subscription.status,
        current_period_start=subscription.current_period.starts_at,
        current_period_end=subscription.current_period.ends_at,
        trial_ends_at=subscription.trial_ends_at,
        cancel_at_period_end=subscription.cancel_at_period_end,
        canceled_at=subscription.canceled_at,
        ended_at=subscription.ended_at,
        payment_method_id=subscription.payment_method_id,
        pending_change=_pending(subscription, subscription.pending_terms),
        time_zone=subscription.time_zone,
        metadata=dict(subscription.metadata),
        created_at=subscription.created_at,
    )


def _pending(subscription: Subscription, terms: Terms | None) -> PendingChangeOut | None:
    if terms is None:
        return None
    return PendingChangeOut(
        plan_id=terms.plan_id,
        plan_code=terms.plan_code,
        billing_cycle=terms.billing_cycle,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount.minor,
        takes_effect_at=subscription.current_period.ends_at,
    )
