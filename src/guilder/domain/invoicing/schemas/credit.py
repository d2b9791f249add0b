"""What HTTP says and hears of customer credit and of discounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.invoicing.model import Credit, Discount
from guilder.domain.invoicing.schemas.invoices import CustomerName, CustomerRef, InvoiceRef, SubscriptionRef
from guilder.domain.payments.model import Refund
from guilder.platform.http.fields import CurrencyCode, Exact, IdOf, In, Out, PositiveAmount, Text

CreditRef = Annotated[UUID, IdOf("cred")]
DiscountRef = Annotated[UUID, IdOf("disc")]
RefundRef = Annotated[UUID, IdOf("ref")]
PlanRef = Annotated[UUID, IdOf("plan")]
PromoCodeRef = Annotated[UUID, IdOf("promo")]


# So much at once: what a customer has in all is added up in 64 bits.
CREDIT_MINOR_MAX = 10**14
CreditAmount = Annotated[PositiveAmount, Field(le=CREDIT_MINOR_MAX)]


class CreditOut(Out):
    """Money owed to a customer. Below zero: what was too little to collect, and comes with the next invoice."""

    id: CreditRef
    customer_id: CustomerRef
    currency: str
    amount: int
    left: int
    reason: str
    source_invoice_id: InvoiceRef | None
    granted_at: datetime

    @classmethod
    def to_wire(cls, credit: Credit) -> "CreditOut":
        return cls(
            id=credit.id,
            customer_id=credit.customer_id,
            currency=credit.amount.currency,
            amount=credit.amount.minor,
            left=credit.left.minor,
            reason=credit.reason,
            source_invoice_id=credit.source_invoice_id,
            granted_at=credit.granted_at,
        )


class CreditIn(In):
    customer_id: CustomerName
    amount: CreditAmount
    currency: CurrencyCode
    reason: Annotated[str, Text(500)]


class PayOutIn(In):
    customer_id: CustomerName
    currency: CurrencyCode
    amount: Annotated[PositiveAmount | None, Field(description="By default, all that there is.")] = None
    reason: Annotated[str, Text(500)] = "customer credit"


class PaidOutOut(Out):
    """A refund that pays credit out."""

    refund_id: RefundRef
    amount: int
    currency: str
    status: str

    @classmethod
    def to_wire(cls, refund: Refund) -> "PaidOutOut":
        return cls(
            refund_id=refund.id,
            amount=refund.amount.minor,
            currency=refund.amount.currency,
            status=refund.status.value,
        )


class DiscountOut(Out):
    """A promo code that was redeemed. `periods_left` null: for ever; 0: used up."""

    id: DiscountRef
    customer_id: CustomerRef
    subscription_id: SubscriptionRef | None
    promo_code_id: PromoCodeRef
    code: str
    name: str
    percent: Exact | None
    amount: int | None
    currency: str | None
    periods_left: int | None
    plan_ids: list[PlanRef]
    redeemed_at: datetime
    ended_at: datetime | None

    @classmethod
    def to_wire(cls, discount: Discount) -> "DiscountOut":
        return cls(
            id=discount.id,
            customer_id=discount.customer_id,
            subscription_id=discount.subscription_id,
            promo_code_id=discount.promo_code_id,
            code=discount.code,
            name=discount.name,
            percent=discount.percent,
            amount=discount.amount.minor if discount.amount else None,
            currency=discount.amount.currency if discount.amount else None,
            periods_left=discount.periods_left,
            plan_ids=list(discount.plan_ids),
            redeemed_at=discount.redeemed_at,
            ended_at=discount.ended_at,
        )
