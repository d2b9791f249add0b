"""What HTTP says and hears of tenants, their issuers, sandboxes and clocks."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from guilder.domain.identity.model import (
    Address,
    ClockState,
    Issuer,
    Mode,
    SandboxClock,
    Tenant,
    TenantStatus,
)
from guilder.domain.identity.rules import clock as rules
from guilder.domain.identity.schemas.access import NewApiKeyOut
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import TenantId
from guilder.platform.http.fields import (
    CountryCode,
    CurrencyCode,
    Email,
    EmailOrNone,
    IdOf,
    In,
    Instant,
    Language,
    Name,
    Out,
    Text,
    TimeZone,
)

TenantRef = Annotated[TenantId, IdOf("ten")]
IssuerRef = Annotated[UUID, IdOf("iss")]
Line = Annotated[str, Text(200, min=0)]
MINIMUM_MAX = 1_000_000
INCREMENT_MAX = 100_000


class OneOfToOrBy(Invalid):
    """Say either `to`, an instant, or `by`, a stretch of time."""

    code = "to_or_by"


class AddressIn(In):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    postal_code: Annotated[str, Text(20, min=0)] = ""
    region: Line = ""
    country: CountryCode | None = None

    def from_wire(self) -> Address:
        return Address(**{**self.model_dump(), "country": self.country or ""})


class AddressOut(Out):
    line1: str
    line2: str
    city: str
    postal_code: str
    region: str
    country: str

    @classmethod
    def to_wire(cls, address: Address) -> "AddressOut":
        return cls(
            line1=address.line1,
            line2=address.line2,
            city=address.city,
            postal_code=address.postal_code,
            region=address.region,
            country=address.country,
        )


class TenantOut(Out):
    id: TenantRef
    name: str
    slug: str
    mode: Mode
    status: TenantStatus
    time_zone: str
    created_at: datetime

    @classmethod
    def to_wire(cls, tenant: Tenant) -> "TenantOut":
        return cls(
            id=tenant.tenant_id,
            name=tenant.name,
            slug=tenant.slug,
            mode=tenant.mode,
            status=tenant.status,
            time_zone=tenant.time_zone,
            created_at=tenant.created_at,
        )


class TenantIn(In):
    name: Name | None = None
    time_zone: TimeZone | None = None


class IssuerIn(In):
    legal_name: Name
    address: AddressIn = AddressIn()
    vat_id: Annotated[str, Text(40, min=0)] = ""
    registration: Line = ""
    email: Email | None = None
    logo_svg: Annotated[str, Text(65_536, min=0)] = ""
    number_format: Annotated[str, Text(60)] = "INV-{year}-{number:05}"
    footer: Annotated[str, Text(1000, min=0)] = ""
    sender_name: Line = ""
    sender_email: Email | None = None
    language: Language = "en"
    terms_days: Annotated[int, Field(ge=0, le=365)] = 0
    credit_note_format: Annotated[str, Text(60)] = "CN-{year}-{number:05}"
    consolidates: Annotated[bool, Field(description="What one customer owes on one day is one invoice.")] = False
    minimum_charges: Annotated[
        dict[CurrencyCode, Annotated[int, Field(ge=1, le=MINIMUM_MAX)]],
        Field(max_length=40, description="By currency: less is not collected, but carried to the next invoice."),
    ] = {}
    charge_increments: Annotated[
        dict[CurrencyCode, Annotated[int, Field(ge=1, le=INCREMENT_MAX)]],
        Field(
            max_length=40,
            description="By currency: what is collected is a multiple of this, and what is over is carried to the next invoice. "
            "Where nothing is said: 10 for currencies of three digits, of which cards take two, 100 for MGA, and 1 for others.",
        ),
    ] = {}

    def from_wire(self, tenant_id: TenantId, issuer_id: UUID) -> Issuer:
        return Issuer(
            tenant_id=tenant_id,
            id=issuer_id,
            legal_name=self.legal_name,
            address=self.address.from_wire(),
            vat_id=self.vat_id,
            registration=self.registration,
            email=self.email or "",
            logo_svg=self.logo_svg,
            number_format=self.number_format,
            footer=self.footer,
            sender_name=self.sender_name,
            sender_email=self.sender_email or "",
            language=self.language,
            terms_days=self.terms_days,
            credit_note_format=self.credit_note_format,
            consolidates=self.consolidates,
            minimum_charges=self.minimum_charges,
            charge_increments=self.charge_increments,
        )


class IssuerPatch(In):
    """What is left out, or null, stays; an empty text takes a text away; the address is replaced whole."""

    legal_name: Name | None = None
    address: AddressIn | None = None
    vat_id: Annotated[str, Text(40, min=0)] | None = None
    registration: Line | None = None
    email: EmailOrNone | None = None
    logo_svg: Annotated[str, Text(65_536, min=0)] | None = None
    number_format: Annotated[str, Text(60)] | None = None
    footer: Annotated[str, Text(1000, min=0)] | None = None
    sender_name: Line | None = None
    sender_email: EmailOrNone | None = None
    language: Language | None = None
    terms_days: Annotated[int, Field(ge=0, le=365)] | None = None
    credit_note_format: Annotated[str, Text(60)] | None = None
    consolidates: bool | None = None
    minimum_charges: Annotated[
        dict[CurrencyCode, Annotated[int, Field(ge=1, le=MINIMUM_MAX)]] | None, Field(max_length=40)
    ] = None
    charge_increments: Annotated[
        dict[CurrencyCode, Annotated[int, Field(ge=1, le=INCREMENT_MAX)]] | None, Field(max_length=40)
    ] = None

    def from_wire(self) -> dict[str, object]:
        given = {name: value for name, value in dict(self).items() if value is not None}
        return given | ({"address": self.address.from_wire()} if self.address else {})


class IssuerOut(Out):
    id: IssuerRef
    is_default: bool
    legal_name: str
    address: AddressOut
    vat_id: str
    registration: str
    email: str
    logo_svg: str
    number_format: str
    footer: str
    sender_name: str
    sender_email: str
    language: str
    terms_days: int
    credit_note_format: str
    consolidates: bool
    minimum_charges: dict[str, int]
    charge_increments: dict[str, int]

    @classmethod
    def to_wire(cls, issuer: Issuer) -> "IssuerOut":
        return cls(
            id=issuer.id,
            is_default=issuer.is_default,
            legal_name=issuer.legal_name,
            address=AddressOut.to_wire(issuer.address),
            vat_id=issuer.vat_id,
            registration=issuer.registration,
            email=issuer.email,
            logo_svg=issuer.logo_svg,
            number_format=issuer.number_format,
            footer=issuer.footer,
            sender_name=issuer.sender_name,
            sender_email=issuer.sender_email,
            language=issuer.language,
            terms_days=issuer.terms_days,
            credit_note_format=issuer.credit_note_format,
            consolidates=issuer.consolidates,
            minimum_charges=dict(issuer.minimum_charges),
            charge_increments=dict(issuer.charge_increments),
        )


class SandboxIn(In):
    name: Name = "Sandbox"
    starts_at: Annotated[Instant | None, Field(description="What its clock says first; by default, the present.")] = (
        None
    )


class SandboxOut(TenantOut):
    api_key: NewApiKeyOut


class ClockOut(Out):
    """A sandbox's clock says `now`; on its way it has a `target` and the state `advancing`. Others have the wall clock."""

    now: datetime
    target: datetime | None = None
    state: ClockState = ClockState.AT_REST
    detail: str = ""
    is_sandbox: bool

    @classmethod
    def to_wire(cls, clock: SandboxClock) -> "ClockOut":
        return cls(now=clock.now, target=clock.target, state=clock.state, detail=clock.detail, is_sandbox=True)


class ByIn(In):
    months: Annotated[int, Field(ge=0, le=120)] = 0
    days: Annotated[int, Field(ge=0, le=3_660)] = 0
    hours: Annotated[int, Field(ge=0, le=87_840)] = 0


class AdvanceIn(In):
    to: Instant | None = None
    by: ByIn | None = None

    def instant(self, now: datetime, time_zone: str) -> datetime:
        """Return where the clock is to go; months and days are local ones, so that noon stays noon.

        :raises OneOfToOrBy: both are said, or neither
        """
        if (self.to is None) == (self.by is None):
            raise OneOfToOrBy(field="to")
        if self.to is not None:
            return self.to
        assert self.by is not None
        zone = ZoneInfo(time_zone)
        return rules.after(now, months=self.by.months, days=self.by.days, hours=self.by.hours, zone=zone)
