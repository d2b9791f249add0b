"""What gateways announces: what is asked of a provider, what it answered, what it told us by itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.domain.gateways.model import CardDetails, DisputeNews, ElsewhereNews, Outcome
from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequested(Event):
    """A charge, a refund, a cancellation or a card's validation is wanted of this gateway."""

    name: ClassVar = "gateways.request.made"
    topic: ClassVar = "gateway.{gateway}.requests"

    gateway: str
    account_id: UUID
    request_id: UUID
    kind: str
    business_key: str
    subject_id: UUID
    customer_id: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswered(Event):
    """The provider's answer to a request; `unknown` is an answer too, and will be looked up."""

    name: ClassVar = "gateways.request.answered"
    topic: ClassVar = "gateway.{gateway}.results"

    gateway: str
    request_id: UUID
    kind: str
    business_key: str
    subject_id: UUID
    customer_id: CustomerId
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReceived(Event):
    """A provider's webhook: verified, stored raw, answered. Ordered by the provider's object."""

    name: ClassVar = "gateways.notice.received"
    topic: ClassVar = "gateway.webhooks"
    key: ClassVar = "object_key"

    gateway: str
    account_id: UUID
    notice_id: UUID
    object_key: UUID
    kind: str
    business_key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConnected(Event):
    """The provider knows our webhook address and its secret."""

    name: ClassVar = "gateways.account.connected"
    topic: ClassVar = "gateways.events"
    key: ClassVar = "account_id"

    account_id: UUID
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRefusedUs(Event):
    """The provider does not take the account's key (any more). Nothing is charged there; nothing was declined."""

    name: ClassVar = "gateways.account.refused_us"
    topic: ClassVar = "gateways.events"
    key: ClassVar = "account_id"

    account_id: UUID
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDown(Event):
    """Call after call gets no answer there: what can go elsewhere does."""

    name: ClassVar = "gateways.account.down"
    topic: ClassVar = "gateways.events"
    key: ClassVar = "account_id"

    account_id: UUID
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayUp(Event):
    """It answers again."""

    name: ClassVar = "gateways.account.up"
    topic: ClassVar = "gateways.events"
    key: ClassVar = "account_id"

    account_id: UUID
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNoticed(Event):
    """A provider tells of a dispute: a bank takes a payment back, or has decided."""

    name: ClassVar = "gateways.dispute.noticed"
    topic: ClassVar = "gateway.webhooks"
    key: ClassVar = "object_key"

    gateway: str
    account_id: UUID
    notice_id: UUID
    object_key: UUID
    news: DisputeNews


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledElsewhere(Event):
    """A provider tells of a subscription that it bills itself, for a business that began there."""

    name: ClassVar = "gateways.elsewhere.noticed"
    topic: ClassVar = "gateway.webhooks"
    key: ClassVar = "object_key"

    gateway: str
    account_id: UUID
    notice_id: UUID
    object_key: UUID
    news: ElsewhereNews
    told_at: datetime | None = None  # by the provider's own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodNoticed(Event):
    """A provider tells of a method that it keeps: the card that it is now, or, without one, that it is not there any more.

    Which of the customer's it is says a digest of its token: the token itself is in no event.
    """

    name: ClassVar = "gateways.method.noticed"
    topic: ClassVar = "gateway.webhooks"

    gateway: str
    account_id: UUID
    notice_id: UUID
    customer_id: CustomerId
    token_digest: str
    card: CardDetails | None = None
    told_at: datetime | None = None  # by the provider's own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksRead(Event):
    """A provider's own books were read over a time: what they say that is new stands under this reading."""

    name: ClassVar = "gateways.books.read"
    topic: ClassVar = "gateways.events"
    key: ClassVar = "account_id"

    account_id: UUID
    gateway: str
    reading_id: UUID
    since: datetime
    until: datetime
    changed: int


# Talks with providers: their words, links to pages of theirs, what is to be shown of a wallet. They are nobody else's to read;
# what came of them payments and subscriptions say.
CONVERSATION = (
    "gateways.request.",
    "gateways.notice.",
    "gateways.dispute.",
    "gateways.elsewhere.",
    "gateways.method.",
)
