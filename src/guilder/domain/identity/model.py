"""Tenants and who acts for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from guilder.kernel import currency
from guilder.kernel.ids import Ref, TenantId


class Mode(StrEnum):
    LIVE = "live"
    TEST = "test"
    SANDBOX = "sandbox"


class TenantStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Role(StrEnum):
    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A business that bills. `root_id` says whose sandbox it is; None for a tenant of its own."""

    tenant_id: TenantId
    name: str
    slug: str
    mode: Mode
    status: TenantStatus
    time_zone: str
    created_at: datetime
    is_demo: bool = False
    root_id: TenantId | None = None

    @property
    def is_sandbox(self) -> bool:
        return self.mode is Mode.SANDBOX


class Address(Struct, frozen=True, kw_only=True):
    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    region: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The legal entity whose name is on the invoice, and how its invoices look."""

    tenant_id: TenantId
    id: UUID
    legal_name: str
    address: Address
    vat_id: str = ""
    registration: str = ""
    email: str = ""
    logo_svg: str = ""
    number_format: str = "INV-{year}-{number:05}"
    footer: str = ""
    sender_name: str = ""
    sender_email: str = ""
    language: str = "en"
    terms_days: int = 0
    is_default: bool = True
    credit_note_format: str = "CN-{year}-{number:05}"
    consolidates: bool = False  # what one customer owes on one day is one invoice
    minimum_charges: Mapping[str, int] = field(default_factory=dict)  # by currency; less is carried to the next invoice
    charge_increments: Mapping[str, int] = field(default_factory=dict)  # by currency; what is over them is carried, too

    def increment(self, code: str) -> int:
        """Return what charges of a currency are multiples of, in minor units."""
        return self.charge_increments.get(code) or currency.increment(code)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


class ClockState(StrEnum):
    AT_REST = "at_rest"
    ADVANCING = "advancing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxClock:
    """A sandbox's own time, and where it is being moved to."""

    tenant_id: TenantId
    now: datetime
    target: datetime | None
    state: ClockState
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    tenant_id: TenantId
    id: UUID
    name: str
    hint: str
    role: Role
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class TrustKind(StrEnum):
    CLERK = "clerk"
    OIDC = "oidc"
    INTROSPECTION = "introspection"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrust:
    """An issuer of tokens that a tenant registered: whose signature counts, and for which parties."""

    tenant_id: TenantId
    id: UUID
    kind: TrustKind
    issuer: str
    jwks_url: str = ""
    public_key_pem: str = ""
    audience: str = ""
    authorized_parties: tuple[str, ...] = ()
    introspection_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    organization_claim: str = "org_id"
    role_claim: str = "org_role"
    authorization_url: str = ""
    token_url: str = ""
    acr_values: tuple[str, ...] = ()  # how well somebody must have proven themselves there; empty asks for nothing

    @property
    def signs_in(self) -> bool:
        """Tell whether staff sign in at this issuer: it knows us as a client."""
        return self.kind is not TrustKind.INTROSPECTION and bool(self.client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of the tenant's own staff. `subject` is who they are at an issuer, `issuer|sub`, once they came by it."""

    tenant_id: TenantId
    id: UUID
    email: str
    role: Role
    subject: str = ""
    has_password: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffSession:
    """A member signed in with a browser. Instants are the wall clock's, in a sandbox too.

    `verified_at` is when the person last proved who they are; None where the issuer did not say. `agent` and `address`
    are the browser's family and the network: enough to know a session by. `trust_id` is None for a password.
    """

    tenant_id: TenantId
    id: UUID
    member_id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    verified_at: datetime | None = None
    trust_id: UUID | None = None
    ended_at: datetime | None = None
    agent: str = ""
    address: str = ""
