"""What a customer pays with."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from guilder.domain.gateways.model import CardDetails
from guilder.kernel.ids import CustomerId, Ref, TenantId


class MethodStatus(StrEnum):
    PENDING = "pending"  # asked for; the provider has not validated it yet
    VALID = "valid"
    INVALID = "invalid"
    REMOVED = "removed"


class PaymentMethod(Struct, frozen=True, kw_only=True):
    """A provider's token for a card, with what may be shown of it. The token is sealed in the store."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    gateway: str
    account_id: UUID
    status: MethodStatus
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    created_at: datetime
    decline_code: str = ""
    action_url: str = ""
    kind: str = "card"
    label: str = ""
    position: int = 0  # after the default, the lower is tried first
    fingerprint: str = ""  # alike for one card of one account, however often it is saved
    wants_default: bool = False  # once it is valid
    replaced_by: UUID | None = None  # the same card, saved anew
    warn_due_at: datetime | None = None  # when its customer is told (again) that it runs out
    told_at: datetime | None = None  # by its provider's clock: when it was last told of without being asked

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:setup:{self.id}"

    @property
    def rank(self) -> tuple[bool, int, UUID]:
        """Return what a customer's methods are tried in the order of: the default first."""
        return (not self.is_default, self.position, self.id)


class MethodTold(Struct, frozen=True, kw_only=True):
    """What a provider said by itself of a method that it keeps: the card that it is now; without one, that it is gone."""

    tenant_id: TenantId
    customer_id: CustomerId
    token_digest: str
    card: CardDetails | None
    at: datetime

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)
