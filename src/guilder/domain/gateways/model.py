"""Connections to payment providers, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAccount:
    """A tenant's account at a provider. Its secrets are sealed in the store and are not part of the noun."""

    tenant_id: TenantId
    id: UUID
    gateway: str
    name: str
    is_default: bool
    is_active: bool
    created_at: datetime


class RequestKind(StrEnum):
    CHARGE = "charge"
    CANCEL = "cancel"
    REFUND = "refund"
    SETUP = "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """One thing asked of one provider, under a business key that never changes."""

    tenant_id: TenantId
    id: UUID
    account_id: UUID
    gateway: str
    kind: RequestKind
    business_key: str
    subject_id: UUID  # the payment, refund or payment method that asks
    customer_id: UUID
    amount: Money | None = None
    method_token: str = ""
    provider_ref: str = ""  # the provider's object, once prepared; a refund's or a cancellation's target before
    is_on_session: bool = False


class OutcomeKind(StrEnum):
    """What a call to a provider can have come to. No answer is `unknown`, never `declined`. There is no sixth."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardDetails:
    token: str
    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A provider's answer, in our words."""

    kind: OutcomeKind
    provider_ref: str = ""
    charge_ref: str = ""
    amount: Money | None = None
    decline_code: str = ""
    is_hard_decline: bool = False
    message: str = ""
    action_url: str = ""
    card: CardDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A provider's webhook, verified and in our words."""

    notice_id: str
    type: str
    subject: RequestKind | None  # None: of no concern to us
    business_key: str = ""
    outcome: Outcome | None = None
    created_at: datetime | None = None
    raw: Mapping[str, object] = field(default_factory=dict)
