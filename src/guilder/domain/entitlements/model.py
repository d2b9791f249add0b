"""What a customer may use now."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, TenantId


class GrantKind(StrEnum):
    SUBSCRIPTION = "subscription"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLeft:
    code: str
    name: str
    included: int | None
    used: int
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Access that something bought gives: a plan's features and limits, or a product."""

    tenant_id: TenantId
    customer_id: CustomerId
    kind: GrantKind
    source_id: UUID
    code: str
    valid_from: datetime
    valid_until: datetime | None
    features: tuple[tuple[str, str], ...] = ()
    limits: tuple[LimitLeft, ...] = ()
    invoice_id: UUID | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Why access is shut in spite of what was bought."""

    cause_id: UUID
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The whole answer about one customer."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    is_eligible: bool
    is_blocked: bool
    blocks: tuple[Block, ...]
    grants: tuple[Grant, ...]
