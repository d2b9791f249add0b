"""What HTTP says and hears of staff, and of who is signed in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from guilder.domain.identity.model import (
    Member,
    Mode,
    Role,
    StaffSession,
    Tenant,
)
from guilder.domain.identity.schemas.tenancy import TenantRef
from guilder.platform.auth.principal import Principal
from guilder.platform.http.fields import (
    Email,
    IdOf,
    In,
    Out,
    Text,
)

MemberRef = Annotated[UUID, IdOf("mem")]
SessionRef = Annotated[UUID, IdOf("ses")]
Password = Annotated[str, Field(strict=True, min_length=1, max_length=128)]


class MemberIn(In):
    email: Email
    role: Role = Role.MEMBER


class MemberOut(Out):
    id: MemberRef
    email: str
    role: Role
    has_joined: bool
    has_password: bool

    @classmethod
    def to_wire(cls, member: Member) -> "MemberOut":
        return cls(
            id=member.id,
            email=member.email,
            role=member.role,
            has_joined=bool(member.subject),
            has_password=member.has_password,
        )


class RoleIn(In):
    role: Role


class MemberRemovedOut(Out):
    id: MemberRef
    is_removed: bool = True


class SignInIn(In):
    """An e-mail address and a password; `tenant` is the short name of whose staff it is, where there are several."""

    email: Email
    password: Password
    tenant: Annotated[str, Text(63)] | None = None


class StepUpIn(In):
    """The password, of whoever has one. Without it, the answer says where to prove anew who you are, and come back."""

    password: Password | None = None
    return_to: Annotated[str, Text(500, min=0)] = ""


class PasswordIn(In):
    password: Annotated[Password, Field(description="The one until now.")]
    new_password: Annotated[Password, Field(description="12 to 128 characters, and none that everybody tries.")]


class StaffSessionOut(Out):
    """A member signed in. `verified_at` is when they last proved who they are; null where their issuer does not say."""

    id: SessionRef
    member_id: MemberRef
    way: Literal["password", "oidc"]
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    verified_at: datetime | None
    agent: str
    address: str

    @classmethod
    def to_wire(cls, session: StaffSession) -> "StaffSessionOut":
        return cls(
            id=session.id,
            member_id=session.member_id,
            way="oidc" if session.trust_id else "password",
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            verified_at=session.verified_at,
            agent=session.agent,
            address=session.address,
        )


class SessionEndedOut(Out):
    id: SessionRef
    is_ended: bool = True


class SignedOutOut(Out):
    is_signed_out: bool = True


class StepUpOut(Out):
    """Either the new session, or the address of ours at which it is proven anew who has it."""

    session: StaffSessionOut | None = None
    redirect_to: str | None = None


class PlaceOut(Out):
    """A tenant that one is in, or may be in by naming it in `Guilder-Tenant`."""

    id: TenantRef
    slug: str
    name: str
    mode: Mode

    @classmethod
    def to_wire(cls, tenant: Tenant) -> "PlaceOut":
        return cls(id=tenant.tenant_id, slug=tenant.slug, name=tenant.name, mode=tenant.mode)


class WhoOut(Out):
    """Who asks, and what they may be. `sandboxes` are those that staff may go into with the header `Guilder-Tenant`."""

    kind: str
    subject: str
    role: str
    scopes: list[str]
    tenant: PlaceOut
    organization_id: str | None
    sandboxes: list[PlaceOut]
    verified_at: datetime | None
    session_id: SessionRef | None

    @classmethod
    def to_wire(cls, who: Principal, tenant: Tenant, sandboxes: Sequence[Tenant]) -> "WhoOut":
        return cls(
            kind=who.kind.value,
            subject=who.subject,
            role=who.role.value,
            scopes=sorted(who.scopes),
            tenant=PlaceOut.to_wire(tenant),
            organization_id=who.organization,
            sandboxes=[PlaceOut.to_wire(each) for each in sandboxes],
            verified_at=who.verified_at,
            session_id=who.session_id,
        )
