"""Who asks: a tenant's API key, its staff, or a user of one of its customers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, TenantId

ALL_SCOPES = "*"
SANDBOX = "sandbox"


class Kind(StrEnum):
    API_KEY = "api_key"
    STAFF = "staff"
    CUSTOMER_USER = "customer_user"
    SYSTEM = "system"


class Role(StrEnum):
    """What someone may do: `admin` all of billing, `billing` manage billing, `member` read only."""

    MEMBER = "member"
    BILLING = "billing"
    ADMIN = "admin"

    def reaches(self, least: "Role") -> bool:
        return _RANKS[self] >= _RANKS[least]


_RANKS = {Role.MEMBER: 0, Role.BILLING: 1, Role.ADMIN: 2}
assert set(_RANKS) == set(Role)

_ACTORS = {Kind.API_KEY: "api_key", Kind.STAFF: "staff", Kind.CUSTOMER_USER: "user", Kind.SYSTEM: "system"}
assert set(_ACTORS) == set(Kind)


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone whom we know, in one tenant; a customer's user also in one customer, and reaching no other.

    `subject` is a key's id, a member's of the staff (the same person whether by a token or a session), or a customer's
    user's `issuer|sub`; a scope is `subscriptions:write`, `plans:read` or `*`;
    `mode` is `live`, `test` or `sandbox`. `verified_at` is when this person last proved who they are, as far as that is
    known; a key never does. `session_id` is of whoever came by a cookie of ours.
    """

    kind: Kind
    subject: str
    tenant_id: TenantId
    role: Role
    scopes: frozenset[str] = frozenset({ALL_SCOPES})
    customer_id: CustomerId | None = None
    organization: str | None = None
    mode: str = "live"
    verified_at: datetime | None = None
    session_id: UUID | None = None

    def __post_init__(self) -> None:
        # A customer's user without a customer would see the whole tenant: nobody may make one.
        assert (self.kind is Kind.CUSTOMER_USER) == (self.customer_id is not None), (self.kind, self.customer_id)

    @property
    def actor(self) -> str:
        """Say who acts, as transactions, events and the audit log write it: `api_key:key_…`, `user:…`."""
        return f"{_ACTORS[self.kind]}:{self.subject}"

    @property
    def is_in_sandbox(self) -> bool:
        """Tell whether this one's tenant has a clock of its own, which goes by leaps."""
        return self.mode == SANDBOX

    def has_scope(self, scope: str) -> bool:
        """Tell whether the scopes hold this one; `x:write` holds `x:read`, `x:*` both, `*` everything."""
        subject, _, verb = scope.partition(":")
        wanted = {ALL_SCOPES, scope, f"{subject}:*"}
        if verb == "read":
            wanted.add(f"{subject}:write")
        return not wanted.isdisjoint(self.scopes)
