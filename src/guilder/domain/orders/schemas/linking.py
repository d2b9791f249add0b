"""What is asked to follow a subscription that a provider bills itself."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.orders.schemas.fields import Cycle, OrganizationId, PlanName
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Instant, Metadata

AccountRef = Annotated[UUID, IdOf("gwa")]
ProviderName = Annotated[str, Field(strict=True, min_length=1, max_length=255, pattern=r"^[!-~]+$")]


class LinkIn(In):
    """A subscription that the provider of this gateway account bills, and the plan that says what it grants."""

    organization_id: OrganizationId
    plan_id: PlanName
    billing_cycle: Cycle | None = None
    currency: CurrencyCode | None = None
    gateway_account_id: AccountRef
    provider_subscription: ProviderName
    current_period_start: Instant
    current_period_end: Instant
    metadata: Metadata = {}
