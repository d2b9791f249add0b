"""API keys: made, listed, revoked. The text is answered once; what is kept is its SHA-256."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from guilder.domain.identity import store
from guilder.domain.identity.events import ApiKeyCreated, ApiKeyRevoked
from guilder.domain.identity.model import ApiKey, Role, Tenant
from guilder.domain.identity.rules.keys import checked_scopes
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.platform.auth import api_keys
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

KEYS_MAX = 100
ALL: frozenset[str] = frozenset({"*"})


class ExpiresInThePast(Invalid):
    """A key that has expired already is of no use."""

    code = "expires_in_the_past"


class TooManyKeys(Conflict):
    """This tenant has as many API keys as it may have; revoke one first."""

    code = "too_many_api_keys"


async def mint_key(
    tx: Tx,
    *,
    name: str,
    role: Role,
    scopes: Collection[str],
    expires_at: datetime | None,
    now: datetime,
    held: frozenset[str] = ALL,
) -> tuple[ApiKey, str]:
    """Make a key of the transaction's tenant; return it and its text, which is not kept.

    `held` are the scopes of whoever asks: a key cannot reach further.

    :raises BadScope: one is no scope
    :raises ScopeNotHeld: one reaches further than `held`
    :raises ExpiresInThePast: it would never work
    :raises TooManyKeys: the limit is reached
    """
    tenant = await store.lock_tenant(tx)
    if tenant is None:
        raise NotFound("there is no such tenant")
    # Keys expire by the wall clock even in a sandbox, whose own time may be years away: nothing to compare there.
    if expires_at is not None and expires_at <= now and not tenant.is_sandbox:
        raise ExpiresInThePast(field="expires_at")
    if await store.live_key_count(tx) >= KEYS_MAX:
        raise TooManyKeys(f"a tenant has {KEYS_MAX} keys at most")
    scopes_ = checked_scopes(frozenset(scopes), held=held)
    return await mint_for(tx, tenant=tenant, name=name, role=role, scopes=scopes_, expires_at=expires_at, now=now)


async def mint_for(
    tx: Tx,
    *,
    tenant: Tenant,
    name: str,
    role: Role,
    now: datetime,
    scopes: frozenset[str] = ALL,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key of a tenant that is known to allow it, such as the first one of a new tenant."""
    minted = api_keys.mint(api_keys.KeyMode(tenant.mode.value))
    key = ApiKey(
        tenant_id=tenant.tenant_id,
        id=ids.new(now),
        name=name,
        hint=minted.hint,
        role=role,
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )
    await store.insert_key(tx, key, hash_=minted.hash, created_by=tx.actor)
    outbox.announce(tx, [ApiKeyCreated(tenant_id=key.tenant_id, api_key_id=key.id, role=role.value)], now=now)
    return key, minted.text


async def keys(tx: Tx) -> list[ApiKey]:
    """Return the tenant's keys, revoked ones too, the newest first."""
    return await store.keys(tx)


async def revoke_key(tx: Tx, *, key_id: UUID, now: datetime) -> ApiKey:
    """Revoke a key: the next request with it is refused. Twice changes nothing.

    :raises NotFound: no such key
    """
    if await store.revoke_key(tx, key_id, now=now):
        outbox.announce(tx, [ApiKeyRevoked(tenant_id=tx.tenant_id, api_key_id=key_id)], now=now)
    found = await store.keys(tx, key_id=key_id)
    if not found:
        raise NotFound("there is no such API key")
    return found[0]
