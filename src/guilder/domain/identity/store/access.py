"""The SQL of what a tenant's callers come with: API keys, and tokens of trusted issuers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.identity.model import ApiKey, Role, TokenTrust, TrustKind
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.cache.near import RIGHTS
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_CLIENT_SECRET = "identity.token_trusts.client_secret"  # noqa: S105  (the name of a column)


# API keys


async def insert_key(tx: Tx, key: ApiKey, *, hash_: bytes, created_by: str) -> None:
    await tx.execute(
        """insert into identity.api_keys (tenant_id, id, name, hint, hash, role, scopes, created_by, created_at,
                                          expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        key.tenant_id,
        key.id,
        key.name,
        key.hint,
        hash_,
        key.role.value,
        sorted(key.scopes),
        created_by,
        key.created_at,
        key.expires_at,
    )


async def keys(tx: Tx, *, key_id: UUID | None = None) -> list[ApiKey]:
    rows = await tx.fetch(
        "select * from identity.api_keys where $1::uuid is null or id = $1 order by id desc limit 1000", key_id
    )
    return [_key(row) for row in rows]


async def live_key_count(tx: Tx) -> int:
    counted: int = await tx.fetchval(
        "select count(*) from identity.api_keys where tenant_id = $1 and revoked_at is null", tx.tenant_id
    )
    return counted


async def revoke_key(tx: Tx, key_id: UUID, *, now: datetime) -> bool:
    """Mark a key as revoked; False if it was before. Who asks again waits as well until nobody remembers it."""
    tx.touch(tx.tenant_id, RIGHTS)
    return bool(
        await tx.execute(
            "update identity.api_keys set revoked_at = $2 where id = $1 and revoked_at is null", key_id, now
        )
    )


async def find_key(tx: Tx, hash_: bytes) -> Ref | None:
    row = await tx.fetchrow("select tenant_id, id from identity.find_key($1)", hash_)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


# Trusts


async def insert_trust(tx: Tx, trust: TokenTrust, *, now: datetime) -> None:
    secret = Sealing(trust.tenant_id, trust.tenant_id, _CLIENT_SECRET, trust.client_secret)
    [sealed] = await tx.vault.seal_many(tx, [secret], now=now) if trust.client_secret else [b""]
    await tx.execute(
        """insert into identity.token_trusts (tenant_id, id, kind, issuer, jwks_url, public_key_pem, audience,
               authorized_parties, introspection_url, client_id, sealed_client_secret, organization_claim, role_claim,
               created_at, authorization_url, token_url, acr_values)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)""",
        trust.tenant_id,
        trust.id,
        trust.kind.value,
        trust.issuer,
        trust.jwks_url,
        trust.public_key_pem,
        trust.audience,
        list(trust.authorized_parties),
        trust.introspection_url,
        trust.client_id,
        sealed,
        trust.organization_claim,
        trust.role_claim,
        now,
        trust.authorization_url,
        trust.token_url,
        list(trust.acr_values),
    )


async def trusts(tx: Tx) -> list[TokenTrust]:
    """Return the trusts of all the transaction's tenants, without secrets, the first registered first."""
    rows = await tx.fetch("select * from identity.token_trusts order by created_at, id limit 1000")
    return [_trust(row) for row in rows]


async def trusts_with_secrets(tx: Tx, refs: Sequence[Ref]) -> list[TokenTrust]:
    rows = await tx.fetch(
        """select * from identity.token_trusts
            where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) order by created_at, id""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    opened = await tx.vault.open_many(
        tx,
        [
            Sealed(row["tenant_id"], row["tenant_id"], _CLIENT_SECRET, row["sealed_client_secret"])
            for row in rows
            if row["sealed_client_secret"]
        ],
    )
    secrets = iter(opened)
    return [_trust(row, (next(secrets) or "") if row["sealed_client_secret"] else "") for row in rows]


async def delete_trust(tx: Tx, trust_id: UUID) -> bool:
    return bool(await tx.execute("delete from identity.token_trusts where id = $1", trust_id))


async def hold_trust(tx: Tx, trust_id: UUID) -> bool:
    """Tell whether a trust is there, and keep it so until the commit."""
    found = await tx.fetchval(
        "select true from identity.token_trusts where tenant_id = $1 and id = $2 for key share", tx.tenant_id, trust_id
    )
    return bool(found)


async def find_trusts(tx: Tx, issuer: str) -> list[Ref]:
    rows = await tx.fetch("select tenant_id, id from identity.find_trust($1)", issuer)
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


def _key(row: Row) -> ApiKey:
    return ApiKey(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        name=row["name"],
        hint=row["hint"],
        role=Role(row["role"]),
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _trust(row: Row, client_secret: str = "") -> TokenTrust:
    return TokenTrust(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        kind=TrustKind(row["kind"]),
        issuer=row["issuer"],
        jwks_url=row["jwks_url"],
        public_key_pem=row["public_key_pem"],
        audience=row["audience"],
        authorized_parties=tuple(row["authorized_parties"]),
        introspection_url=row["introspection_url"],
        client_id=row["client_id"],
        client_secret=client_secret,
        organization_claim=row["organization_claim"],
        role_claim=row["role_claim"],
        authorization_url=row["authorization_url"],
        token_url=row["token_url"],
        acr_values=tuple(row["acr_values"]),
    )
