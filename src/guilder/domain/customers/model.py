"""Who is billed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, TenantId


class CustomerKind(StrEnum):
    ORGANIZATION = "organization"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An organization or a person, known to the product by `organization_id` (its own external id)."""

    tenant_id: TenantId
    id: CustomerId
    organization_id: str
    kind: CustomerKind
    name: str
    email: str
    created_at: datetime
    phone: str = ""
    address: Address = field(default_factory=Address)
    vat_id: str = ""
    language: str = "en"
    time_zone: str = "UTC"
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_erased: bool = False
