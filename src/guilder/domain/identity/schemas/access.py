"""What HTTP says and hears of API keys and trusted issuers of tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.identity.model import (
    ApiKey,
    Role,
    TokenTrust,
    TrustKind,
)
from guilder.domain.identity.rules.signing_in import CALLBACK
from guilder.kernel import ids
from guilder.platform.http.fields import (
    IdOf,
    In,
    Instant,
    Out,
    Shape,
    Text,
)

KeyRef = Annotated[UUID, IdOf("key")]
TrustRef = Annotated[UUID, IdOf("trust")]
Url = Annotated[str, Text(500, min=0)]
Claim = Annotated[str, Shape(r"[A-Za-z0-9_:./-]{1,200}", "the name of a claim: 1 to 200 letters, digits and _ : . / -")]


class ApiKeyIn(In):
    name: Annotated[str, Text(100)]
    role: Role = Role.MEMBER
    scopes: Annotated[list[Annotated[str, Text(60)]], Field(min_length=1, max_length=50)] = ["*"]
    expires_at: Instant | None = None


class ApiKeyOut(Out):
    id: KeyRef
    name: str
    hint: str
    role: Role
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def to_wire(cls, key: ApiKey) -> "ApiKeyOut":
        return cls(**_key_fields(key))


class NewApiKeyOut(ApiKeyOut):
    key: Annotated[str, Field(description="The key itself. It is shown this once, and not kept.")]

    @classmethod
    def with_text(cls, key: ApiKey, text: str) -> "NewApiKeyOut":
        return cls(**_key_fields(key), key=text)


def _key_fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "role": key.role,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


class TokenTrustIn(In):
    kind: TrustKind
    issuer: Annotated[str, Text(500)]
    jwks_url: Url = ""
    public_key_pem: Annotated[str, Text(8_192, min=0)] = ""
    audience: Annotated[str, Text(300, min=0)] = ""
    authorized_parties: Annotated[list[Annotated[str, Text(300)]], Field(max_length=20)] = []
    introspection_url: Url = ""
    client_id: Annotated[str, Text(300, min=0)] = ""
    client_secret: Annotated[str, Text(1_000, min=0)] = ""
    organization_claim: Claim = "org_id"
    role_claim: Claim = "org_role"
    authorization_url: Url = ""
    token_url: Url = ""
    acr_values: Annotated[list[Annotated[str, Text(200)]], Field(max_length=10)] = []


class TokenTrustOut(Out):
    """A trusted issuer. Its client secret is kept sealed, and not shown again."""

    id: TrustRef
    kind: TrustKind
    issuer: str
    jwks_url: str
    public_key_pem: str
    audience: str
    authorized_parties: list[str]
    introspection_url: str
    client_id: str
    organization_claim: str
    role_claim: str
    authorization_url: str
    token_url: str
    acr_values: list[str]
    signs_in: Annotated[bool, Field(description="Whether staff sign in at this issuer, with the client of ours there.")]
    redirect_uri: Annotated[str | None, Field(description="Where the issuer sends them back to: tell it this address.")]

    @classmethod
    def to_wire(cls, trust: TokenTrust, *, base_url: str) -> "TokenTrustOut":
        back = f"{base_url}{CALLBACK}/{ids.to_text('trust', trust.id)}"
        return cls(
            id=trust.id,
            kind=trust.kind,
            issuer=trust.issuer,
            jwks_url=trust.jwks_url,
            public_key_pem=trust.public_key_pem,
            audience=trust.audience,
            authorized_parties=list(trust.authorized_parties),
            introspection_url=trust.introspection_url,
            client_id=trust.client_id,
            organization_claim=trust.organization_claim,
            role_claim=trust.role_claim,
            authorization_url=trust.authorization_url,
            token_url=trust.token_url,
            acr_values=list(trust.acr_values),
            signs_in=trust.signs_in,
            redirect_uri=back if trust.signs_in else None,
        )


class RemovedOut(Out):
    id: TrustRef
    is_removed: bool = True
