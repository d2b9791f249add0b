"""Who is billed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, TenantId


class CustomerKind(StrEnum):
    ORGANIZATION = "organization"
    PERSON = "person"


class Customer(Struct, frozen=True, kw_only=True):
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
    is_tax_exempt: bool = False
    tax_exempt_reason: str = ""  # printed on invoices, as the law wants it
    net_days: int | None = None  # what is sent gives so many days to pay; None: the issuer's


@dataclass(frozen=True, slots=True)
class NamedCustomer:
    """Who a customer is, and no more of it: for who counts for many."""

    id: CustomerId
    organization_id: str
    is_erased: bool


class NewCustomer(Struct, frozen=True, kw_only=True):
    """What it takes to make a customer. Left empty: the organization id is the new id, the time zone the tenant's."""

    tenant_id: TenantId
    name: str
    email: str
    organization_id: str = ""
    kind: CustomerKind = CustomerKind.ORGANIZATION
    phone: str = ""
    address: Address = field(default_factory=Address)
    vat_id: str = ""
    language: str = "en"
    time_zone: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_tax_exempt: bool = False
    tax_exempt_reason: str = ""
    net_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanges:
    """What is to be different; None leaves a field as it is. The organization id stays: others know it by that."""

    kind: CustomerKind | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: Address | None = None
    vat_id: str | None = None
    language: str | None = None
    time_zone: str | None = None
    metadata: Mapping[str, str] | None = None
    is_tax_exempt: bool | None = None
    tax_exempt_reason: str | None = None
    net_days: int | None = None

    @property
    def given(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}
