"""What a customer may use now."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId


class GrantKind(StrEnum):
    SUBSCRIPTION = "subscription"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLeft:
    """A limit and what is left of it in the present period.

    `quantity` is exact; `used` and `left` are whole units, rounded so that nothing is promised which is not there.
    Without a meter nothing is counted.
    """

    code: str
    name: str
    included: int | None
    used: int
    left: int | None
    meter: str = ""
    is_hard: bool = False  # beyond it nothing is allowed; otherwise it is overage
    quantity: Decimal = Decimal(0)
    starts_at: datetime | None = None
    resets_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.included is not None and self.quantity > self.included

    @property
    def allows_more(self) -> bool:
        return not self.is_hard or self.left is None or self.left > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Access that something bought gives: a plan's features and limits, or a product.

    `source_id` is the subscription or the order. A subscription's grant runs on past `valid_until` for as long as its
    renewal may be late (see rules/standing.py), unless it is not `is_renewing`.
    """

    tenant_id: TenantId
    customer_id: CustomerId
    kind: GrantKind
    source_id: UUID
    code: str
    valid_from: datetime
    valid_until: datetime | None
    version: int = 0
    features: tuple[tuple[str, str], ...] = ()
    limits: tuple[LimitLeft, ...] = ()
    is_renewing: bool = False
    is_suspended: bool = False
    invoice_id: UUID | None = None
    ended_at: datetime | None = None
    period_starts_at: datetime | None = None

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.source_id)

    @property
    def is_open(self) -> bool:
        """Say whether nobody has closed it; time may have."""
        return self.ended_at is None and not self.is_suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """A customer by both of its names."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A product that was paid for, as `grant_products` is told of it; `access_until` None is for ever."""

    tenant_id: TenantId
    customer_id: CustomerId
    order_id: UUID
    product_code: str
    invoice_id: UUID | None
    bought_at: datetime
    access_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """Shut this customer out, because of this cause."""

    tenant_id: TenantId
    customer_id: CustomerId
    cause_id: UUID
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """This cause shuts nobody out any more, whether it ever did or not."""

    tenant_id: TenantId
    customer_id: CustomerId
    cause_id: UUID
    lifted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """An invoice whose money was given back together with what it had bought."""

    tenant_id: TenantId
    customer_id: CustomerId
    refund_id: UUID
    invoice_id: UUID
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a refund took back: all that the invoice gave, or the subscription until the refunded period is over."""

    tenant_id: TenantId
    customer_id: CustomerId
    refund_id: UUID
    invoice_id: UUID
    subscription_id: UUID | None
    since: datetime
    until: datetime | None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.refund_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Why access is shut in spite of what was bought."""

    cause_id: UUID
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a tenant has said of access."""

    tenant_id: TenantId
    blocks_on_dispute: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer and all that is known about its access, as it was heard."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    grants: tuple[Grant, ...] = ()
    blocks: tuple[Block, ...] = ()
    revocations: tuple[Revocation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The whole answer about one customer. `grants` are those that hold now; `reasons` say why not, if not."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    is_eligible: bool
    is_blocked: bool
    blocks: tuple[Block, ...]
    grants: tuple[Grant, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A customer who is shut out, in a list of them."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    blocks: tuple[Block, ...]
