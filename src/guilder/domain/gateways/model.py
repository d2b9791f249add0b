"""Connections to payment providers, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

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
    # What is no secret: a client's id, the provider's id of our webhook endpoint, `mode` (live or test).
    settings: Mapping[str, str] = field(default_factory=dict)
    registered_at: datetime | None = None
    refused_at: datetime | None = None
    # Found dead by call after call: what can go elsewhere does, until then.
    outages: int = 0
    down_until: datetime | None = None
    # After a restore: nothing is charged here before what the provider knows has been read again.
    quarantined_at: datetime | None = None

    @property
    def destination(self) -> str:
        """Return what shares a window and a breaker: each account its own, so that one that is ill delays no other."""
        return f"gateway:{self.gateway}:{self.id}"

    @property
    def is_ailing(self) -> bool:
        return self.outages > 0 or self.down_until is not None

    def takes_money(self, *, now: datetime) -> bool:
        """Say whether a charge that could go anywhere may go here now."""
        is_down = self.down_until is not None and now < self.down_until
        return self.is_active and not is_down and self.refused_at is None and self.quarantined_at is None


class RequestKind(StrEnum):
    CHARGE = "charge"
    CANCEL = "cancel"
    REFUND = "refund"
    SETUP = "setup"


class GatewayRequest(Struct, frozen=True, kw_only=True):
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
    payer_ref: str = ""  # the provider's object for this customer, where it has one; known when the call is loaded
    claim: str = ""  # what is billed, named alike by every attempt and every invoice for it, a restored one too
    charge_ref: str = ""  # of a refund, the charge that it gives back of, as the provider's books call it


class OutcomeKind(StrEnum):
    """What a call to a provider can have come to. No answer is `unknown`, never `declined`. There is no sixth."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class CardDetails(Struct, frozen=True, kw_only=True):
    """A saved method: a card, or a wallet or account (`kind`), whose `label` is what may be shown of it."""

    token: str
    kind: str = "card"
    label: str = ""
    fingerprint: str = ""  # the provider's: alike for one card, however often it is saved
    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0


class Outcome(Struct, frozen=True, kw_only=True):
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
    payer_ref: str = ""  # the provider's object for the customer, where it made or named one
    alert: str = ""  # what a person should look at: another amount than was asked for
    is_pending: bool = False  # unknown, because the provider itself does not know yet (a debit that takes days)
    is_outage: bool = False  # unknown, because there was no answer
    # Waits for us, not for the customer: who agreed to it at a provider that takes the money only when we say so.
    is_approved: bool = False
    retry_after_s: int | None = None


class DisputeStatus(StrEnum):
    """How a dispute stands at its provider. An inquiry has moved no money yet."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNews:
    """A customer's bank takes a payment back, or has decided. The payment is named by the provider's references."""

    dispute_ref: str
    charge_ref: str
    provider_ref: str
    status: DisputeStatus
    amount: Money
    reason: str = ""
    fee: Money | None = None
    respond_by: datetime | None = None


class ElsewhereKind(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    UPDATED = "updated"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereNews:
    """Of a subscription that the provider itself bills, for a business that began there."""

    kind: ElsewhereKind
    subscription_ref: str
    payer_ref: str = ""
    status: str = ""  # the provider's own word
    period_starts_at: datetime | None = None
    period_ends_at: datetime | None = None
    cancel_at_period_end: bool = False
    amount: Money | None = None
    invoice_ref: str = ""
    ended_for: str = ""  # why it ended, in the provider's own word; empty where it does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodNews:
    """Of a saved method: the card that it is now, since its bank renewed it; without one, it is not there any more."""

    token: str = field(repr=False)
    payer_ref: str
    card: CardDetails | None = None  # says no token of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A provider's webhook, verified and in our words. It is about one thing at most, or of no concern to us."""

    notice_id: str
    type: str
    subject: RequestKind | None = None  # with `outcome`: of something that we asked for
    business_key: str = ""
    account: str = ""  # what the provider calls the account that it is about
    mode: str = ""  # live or test, where the provider says so
    outcome: Outcome | None = None
    dispute: DisputeNews | None = None
    elsewhere: ElsewhereNews | None = None
    method: MethodNews | None = None
    created_at: datetime | None = None
    raw: Mapping[str, object] = field(default_factory=dict)


class Asked(Struct, frozen=True, kw_only=True):
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
class ProviderRecord:
    """Something that moved money, as the provider's own books have it."""

    kind: RequestKind  # charge or refund
    provider_ref: str
    charge_ref: str
    business_key: str
    claim: str
    status: OutcomeKind
    amount: Money
    at: datetime
    fee: Money | None = None


class Call(Struct, frozen=True, kw_only=True):
    """What one call to a provider needs to know. `charge` is what a cancellation is to close; `done` a refund that its
    provider has made already, and a restore made us forget."""

    asked: Asked
    account: OpenAccount
    charge: Asked | None = None
    done: ProviderRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What came of having our webhook address registered: `succeeded`, `declined` or `unknown`.

    A provider that makes the secret itself says which; `settings` are added to the account's.
    """

    kind: OutcomeKind
    message: str = ""
    is_outage: bool = False
    endpoint_secret: str = field(default="", repr=False)
    provider_account: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked of an account at its provider: whether it is right, and else what to do."""

    what: str
    is_ok: bool
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """A page of a provider's books; `cursor` leads on, and is empty at the end."""

    records: tuple[ProviderRecord, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What calls to an account came to. Of the outages each was unknown, too."""

    succeeded: int = 0
    declined: int = 0
    unknown: int = 0
    outages: int = 0

    @property
    def success_percent(self) -> int | None:
        """Return how many of the charges that got a word got a yes; None where none did."""
        decided = self.succeeded + self.declined
        return None if not decided else 100 * self.succeeded // decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Health):
    """What an account's calls of one hour add to its health."""

    account: GatewayAccount
    hour: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A part of an account's books to be read: from `since` up to but not including `until`."""

    account: OpenAccount
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDay:
    """What an account's books add up to over a time, in one currency."""

    account_id: UUID
    currency: str
    charges: int
    charged_minor: int
    refunds: int
    refunded_minor: int
    fees_minor: int


class Next(StrEnum):
    """What becomes of a request after a call."""

    DONE = "done"
    STEP = "step"
    AGAIN = "again"


class Turn(Struct, frozen=True, kw_only=True):
    """What follows from a call: the request as it is now, what is told of it, and what is done next."""

    asked: Asked
    tells: Outcome | None = None
    next: Next = Next.DONE
    step: str = ""
    after_s: int = 0
