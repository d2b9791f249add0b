"""Connections to payment providers, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import Ref, TenantId
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
    endpoint_id: UUID
    provider_account: str = ""
    is_on_own_clock: bool = False
    registered_at: datetime | None = None
    refused_at: datetime | None = None

    @property
    def destination(self) -> str:
        """Return what shares a window and a breaker: each account its own, so that one that is ill delays no other."""
        return f"gateway:{self.gateway}:{self.id}"


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
    return_url: str = ""  # where the provider's page leads back to
    description: str = ""
    merchant_name: str = ""  # whom the customer pays, as the provider's page says it; known when the call is loaded


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
    alert: str = ""  # what a person should look at: another amount than was asked for
    is_pending: bool = False  # unknown, because the provider itself does not know yet (a debit that takes days)
    is_outage: bool = False  # unknown, because there was no answer
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A provider's webhook, verified and in our words."""

    notice_id: str
    type: str
    subject: RequestKind | None  # None: of no concern to us
    business_key: str = ""
    account: str = ""  # what the provider calls the account that it is about
    outcome: Outcome | None = None
    created_at: datetime | None = None
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it stands: what was asked, what was answered last, how often it was tried."""

    request: GatewayRequest
    outcome: OutcomeKind | None
    decline_code: str
    is_hard_decline: bool
    is_withdrawn: bool
    is_settled: bool
    tries: int
    sessions: int
    requested_at: datetime
    check_due_at: datetime | None

    @property
    def ref(self) -> Ref:
        return Ref(self.request.tenant_id, self.request.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """An account with its secrets in the clear: for whoever calls the provider or checks its signature."""

    account: GatewayAccount
    secret_key: str = field(repr=False)
    endpoint_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    tenant_id: TenantId
    id: UUID
    account_id: UUID
    notice_id: str
    type: str
    business_key: str
    ignored_because: str
    body: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one call to a provider needs to know. `charge` is what a cancellation is to close."""

    asked: Asked
    account: OpenAccount
    charge: Asked | None = None


class Next(StrEnum):
    """What becomes of a request after a call."""

    DONE = "done"
    STEP = "step"
    AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What follows from a call: the request as it is now, what is told of it, and what is done next."""

    asked: Asked
    tells: Outcome | None = None
    next: Next = Next.DONE
    step: str = ""
    after_s: int = 0
