"""What is asked to follow a subscription that a provider bills itself."""

from typing import Annotated
from uuid import UUID

from guilder.domain.orders.schemas.fields import Cycle, OrganizationId, PlanName, Planned
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Metadata, Shape

AccountRef = Annotated[UUID, IdOf("gwa")]
ProviderName = Annotated[str, Shape(r"[!-~]+", "letters, digits and signs without blanks", min=1, max=255)]


class LinkIn(In):
    """A subscription that the provider of this gateway account bills, and the plan that says what it grants."""

    organization_id: OrganizationId
    plan_id: PlanName
    billing_cycle: Cycle | None = None
    currency: CurrencyCode | None = None
    gateway_account_id: AccountRef
    provider_subscription: ProviderName
    current_period_start: Planned
    current_period_end: Planned
    metadata: Metadata = {}
