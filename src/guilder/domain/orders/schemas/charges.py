"""What company products say and hear of charges: CloudEvents 1.0 in, and what became of each out."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, RootModel, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.orders.model import Charge, ChargeStatus, Taken
from guilder.domain.orders.schemas.fields import (
    CustomerRef,
    InvoiceRef,
    MethodRef,
    OrderRef,
    OrganizationId,
)
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.platform.http.fields import (
    Code,
    CurrencyCode,
    IdOf,
    In,
    Instant,
    Metadata,
    Name,
    Out,
    PositiveAmount,
    Text,
)

ChargeRef = Annotated[UUID, IdOf("chg")]
EventId = Annotated[str, Text(255)]
BATCH_MAX = 500


class ChargeDataIn(In):
    """Charge this customer an amount, or the price of a product that is sold once."""

    customer: OrganizationId
    amount: PositiveAmount | None = None
    currency: CurrencyCode | None = None
    product: Code | None = None
    description: Name = "Charge"
    payment_method_id: MethodRef | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.product is None) == (self.amount is None):
            raise PydanticCustomError("product_or_amount", "should have either a product or an amount")
        if (self.amount is None) != (self.currency is None):
            raise PydanticCustomError(
                "currency_missing", "an amount and its currency come together", {"field": "currency"}
            )
        return self


class ChargeIn(In):
    """A CloudEvents 1.0 event in structured form. `source` and `id` name it: sent again, it is the same charge."""

    specversion: Literal["1.0"]
    id: EventId
    source: EventId
    type: Literal["orders.charge.requested"]
    time: Instant | None = None
    subject: Annotated[str | None, Field(max_length=255)] = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[str | None, Field(max_length=2_000)] = None
    traceparent: Annotated[str | None, Field(max_length=255)] = None
    tracestate: Annotated[str | None, Field(max_length=512)] = None
    data: ChargeDataIn

    def to_model(self, tenant_id: TenantId, *, now: datetime) -> Charge:
        said = self.data
        return Charge(
            tenant_id=tenant_id,
            id=ids.new(now),
            source=self.source,
            source_id=self.id,
            customer=said.customer,
            description=said.description,
            received_at=now,
            amount=Money(said.amount, said.currency) if said.amount is not None and said.currency else None,
            product=said.product or "",
            payment_method_id=said.payment_method_id,
            metadata=said.metadata,
        )


class ChargesIn(RootModel[Annotated[list[ChargeIn], Field(min_length=1, max_length=BATCH_MAX)]]):
    """CloudEvents in batched form: all of them are taken, or none."""


class TakenOut(Out):
    id: ChargeRef
    source: str
    source_id: str
    status: ChargeStatus
    is_duplicate: bool


class ChargeOut(Out):
    id: ChargeRef
    source: str
    source_id: str
    status: ChargeStatus
    customer: str
    customer_id: CustomerRef | None
    amount: int | None
    currency: str | None
    product: str | None
    description: str
    order_id: OrderRef | None
    invoice_id: InvoiceRef | None
    reason: str
    metadata: dict[str, str]
    received_at: datetime
    decided_at: datetime | None


class ChargeWithLinkOut(ChargeOut):
    """A charge, with where its customer can pay it where that is needed."""

    payment_link: str | None


def taken_to_wire(taken: Taken) -> TakenOut:
    charge = taken.charge
    return TakenOut(
        id=charge.id,
        source=charge.source,
        source_id=charge.source_id,
        status=charge.status,
        is_duplicate=taken.is_duplicate,
    )


def charge_to_wire(charge: Charge) -> ChargeOut:
    return ChargeOut(
        id=charge.id,
        source=charge.source,
        source_id=charge.source_id,
        status=charge.status,
        customer=charge.customer,
        customer_id=charge.customer_id,
        amount=charge.amount.minor if charge.amount else None,
        currency=charge.amount.currency if charge.amount else None,
        product=charge.product or None,
        description=charge.description,
        order_id=charge.order_id,
        invoice_id=charge.invoice_id,
        reason=charge.reason,
        metadata=dict(charge.metadata),
        received_at=charge.received_at,
        decided_at=charge.decided_at,
    )


def with_link_to_wire(charge: Charge, link: str | None) -> ChargeWithLinkOut:
    return ChargeWithLinkOut(**charge_to_wire(charge).model_dump(), payment_link=link)
