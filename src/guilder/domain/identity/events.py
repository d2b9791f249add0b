"""What identity announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantEvent(Event):
    topic: ClassVar = "tenants.events"
    key: ClassVar = "tenant_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCreated(TenantEvent):
    name: ClassVar = "identity.tenant.created"

    slug: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSuspended(TenantEvent):
    name: ClassVar = "identity.tenant.suspended"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantResumed(TenantEvent):
    name: ClassVar = "identity.tenant.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyCreated(TenantEvent):
    name: ClassVar = "identity.api_key.created"

    api_key_id: UUID
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRevoked(TenantEvent):
    name: ClassVar = "identity.api_key.revoked"

    api_key_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAdvanced(TenantEvent):
    """A sandbox's clock has reached where it was asked to go, and everything due on the way is done."""

    name: ClassVar = "identity.sandbox.advanced"

    arrived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantChanged(TenantEvent):
    name: ClassVar = "identity.tenant.changed"

    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerChanged(TenantEvent):
    """The legal entity on the invoices, or how they look, was set anew; invoices that are out stay as they are."""

    name: ClassVar = "identity.issuer.changed"

    issuer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrustAdded(TenantEvent):
    name: ClassVar = "identity.token_trust.added"

    token_trust_id: UUID
    kind: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrustRemoved(TenantEvent):
    name: ClassVar = "identity.token_trust.removed"

    token_trust_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberInvited(TenantEvent):
    name: ClassVar = "identity.member.invited"

    member_id: UUID
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged(TenantEvent):
    """A member of the staff has another role, from their next request on."""

    name: ClassVar = "identity.member.changed"

    member_id: UUID
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved(TenantEvent):
    """A member is of the staff no more: their sessions and tokens count no more from the next request on."""

    name: ClassVar = "identity.member.removed"

    member_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(TenantEvent):
    name: ClassVar = "identity.password.set"

    member_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBegan(TenantEvent):
    """A member signed in, or proved anew who they are: `way` is `password` or `oidc`."""

    name: ClassVar = "identity.session.began"

    session_id: UUID
    member_id: UUID
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(TenantEvent):
    """A session counts no more.

    `reason` is `signed_out`, `replaced`, `revoked`, `password_changed`, `member_removed` or `trust_removed`.
    """

    name: ClassVar = "identity.session.ended"

    session_id: UUID
    member_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRevoked(TenantEvent):
    """An issuer told that somebody, or an organization, or a session is over, or may do less: tokens from before count so.

    `what` is `ended` or `role`; `told_by` is the kind of the message.
    """

    name: ClassVar = "identity.access.revoked"

    what: str
    told_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClerkKeysSet(TenantEvent):
    """What Clerk is asked with, or its webhooks are verified by, was set anew."""

    name: ClassVar = "identity.clerk_keys.set"

    token_trust_id: UUID
