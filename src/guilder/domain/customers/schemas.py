"""What HTTP says and hears of customers."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from guilder.domain.customers.model import Customer, CustomerChanges, CustomerKind, NewCustomer
from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.http.fields import (
    CountryCode,
    Email,
    EmailOrNone,
    IdOf,
    In,
    Language,
    Metadata,
    Name,
    Out,
    Shape,
    Text,
    TimeZone,
)

CustomerRef = Annotated[CustomerId, IdOf("cus")]
OrganizationId = Annotated[
    str, Shape(r"[!-.0-~]+", "letters, digits and signs without blanks and slashes", min=1, max=255)
]
Line = Annotated[str, Text(200, min=0)]
Phone = Annotated[str, Shape(r"(\+?[0-9 ().-]{3,39})?", "a phone number such as +31 20 123 4567")]
NetDays = Annotated[int, Field(ge=0, le=365, description="Days to pay what is sent; by default, the issuer's.")]
VatId = Annotated[str, Shape(r"[A-Za-z0-9 .-]{0,40}", "up to 40 letters, digits, blanks and . -")]


class CustomerAddress(In):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    postal_code: Annotated[str, Text(20, min=0)] = ""
    region: Line = ""
    country: CountryCode | None = None

    def from_wire(self) -> Address:
        return Address(**{**self.model_dump(), "country": self.country or ""})


class CustomerIn(In):
    organization_id: Annotated[OrganizationId | None, Field(description="Your own id; by default, ours.")] = None
    kind: CustomerKind = CustomerKind.ORGANIZATION
    name: Name
    email: Email | None = None
    phone: Phone = ""
    address: CustomerAddress = CustomerAddress()
    vat_id: VatId = ""
    language: Language = "en"
    time_zone: Annotated[TimeZone | None, Field(description="IANA name; by default, the tenant's.")] = None
    metadata: Metadata = {}
    is_tax_exempt: bool = False
    tax_exempt_reason: Annotated[str, Text(200, min=0), Field(description="Printed on invoices as the legal note.")] = (
        ""
    )
    net_days: NetDays | None = None

    def from_wire(self, tenant_id: TenantId) -> NewCustomer:
        return NewCustomer(
            tenant_id=tenant_id,
            organization_id=self.organization_id or "",
            kind=self.kind,
            name=self.name,
            email=self.email or "",
            phone=self.phone,
            address=self.address.from_wire(),
            vat_id=self.vat_id,
            language=self.language,
            time_zone=self.time_zone or "",
            metadata=self.metadata,
            is_tax_exempt=self.is_tax_exempt,
            tax_exempt_reason=self.tax_exempt_reason,
            net_days=self.net_days,
        )


class CustomerPatch(In):
    """What is left out, or null, stays; an empty text takes a text away; metadata and the address are replaced whole."""

    kind: CustomerKind | None = None
    name: Name | None = None
    email: EmailOrNone | None = None
    phone: Phone | None = None
    address: CustomerAddress | None = None
    vat_id: VatId | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    metadata: Metadata | None = None
    is_tax_exempt: bool | None = None
    tax_exempt_reason: Annotated[str, Text(200, min=0)] | None = None
    net_days: NetDays | None = None

    def from_wire(self) -> CustomerChanges:
        return CustomerChanges(
            kind=self.kind,
            name=self.name,
            email=self.email,
            phone=self.phone,
            address=self.address.from_wire() if self.address else None,
            vat_id=self.vat_id,
            language=self.language,
            time_zone=self.time_zone,
            metadata=self.metadata,
            is_tax_exempt=self.is_tax_exempt,
            tax_exempt_reason=self.tax_exempt_reason,
            net_days=self.net_days,
        )


class CustomerAddressOut(Out):
    line1: str
    line2: str
    city: str
    postal_code: str
    region: str
    country: str


class CustomerOut(Out):
    id: CustomerRef
    organization_id: str
    kind: CustomerKind
    name: str
    email: str
    phone: str
    address: CustomerAddressOut
    vat_id: str
    language: str
    time_zone: str
    metadata: dict[str, str]
    is_tax_exempt: bool
    tax_exempt_reason: str
    net_days: int | None
    is_erased: bool
    created_at: datetime

    @classmethod
    def to_wire(cls, customer: Customer) -> "CustomerOut":
        address = customer.address
        return cls(
            id=customer.id,
            organization_id=customer.organization_id,
            kind=customer.kind,
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            address=CustomerAddressOut(
                line1=address.line1,
                line2=address.line2,
                city=address.city,
                postal_code=address.postal_code,
                region=address.region,
                country=address.country,
            ),
            vat_id=customer.vat_id,
            language=customer.language,
            time_zone=customer.time_zone,
            metadata=dict(customer.metadata),
            is_tax_exempt=customer.is_tax_exempt,
            tax_exempt_reason=customer.tax_exempt_reason,
            net_days=customer.net_days,
            is_erased=customer.is_erased,
            created_at=customer.created_at,
        )
