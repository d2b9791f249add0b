"""The types of fields that several bodies have."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from guilder.platform.http.fields import IdOf, IdOrCode, Instant, Shape, Text

PLANNED_BEFORE = datetime(9000, 1, 1, tzinfo=UTC)


def _planned(at: datetime) -> datetime:
    if at >= PLANNED_BEFORE:
        raise PydanticCustomError("bad_instant", "should be before the year 9000")
    return at


# When something is to begin or end that is billed: from there on periods are counted, and documents kept for years.
Planned = Annotated[Instant, AfterValidator(_planned)]

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
DiscountRef = Annotated[UUID, IdOf("disc")]
PromoCodeRef = Annotated[UUID, IdOf("promo")]
OrganizationId = Annotated[str, Text(255)]
PromoCodeName = Annotated[str, Text(64)]
Cycle = Annotated[str, Shape(r"[a-z0-9_]{1,40}", "a cycle such as monthly or yearly, as its plan has it")]
TrialDays = Annotated[int, Field(ge=0, le=3650)]
BillingDay = Annotated[int, Field(ge=1, le=31)]
