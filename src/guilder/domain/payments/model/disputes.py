"""Money that banks take back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import DisputeNews, DisputeStatus
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment that a customer's bank takes back, as a whole or in part, or asks about (an inquiry)."""

    tenant_id: TenantId
    id: UUID
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    account_id: UUID
    gateway: str
    dispute_ref: str
    amount: Money
    status: DisputeStatus
    noticed_at: datetime
    fee: Money | None = None
    reason: str = ""
    alert: str = ""
    respond_by: datetime | None = None
    opened_at: datetime | None = None  # the money was taken then
    decided_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def payment_ref(self) -> Ref:
        return Ref(self.tenant_id, self.payment_id)

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNote:
    id: UUID
    dispute_id: UUID
    text: str
    author: str
    noted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeTold:
    """What a provider said of a dispute, of which account, and when we heard it."""

    tenant_id: TenantId
    account_id: UUID
    gateway: str
    news: DisputeNews
    at: datetime
