from datetime import timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.identity.rules.keys import ScopeNotHeld
from guilder.domain.identity.service.api_keys import ExpiresInThePast, TooManyKeys
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.platform.crypto import digest
from tests.support.builders.identity import NOW, new_tenant

ASKED = {"name": "CI", "role": Role.BILLING, "scopes": {"invoices:read"}, "expires_at": None, "now": NOW}


@pytest.fixture
async def tenant(database):
    return await new_tenant(database)


@pytest.mark.shows("fault G6", "ASVS 11.4.1", "I29")
async def test_only_the_hash_of_a_key_is_kept(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="staff:eve") as tx:
        key, text = await identity.mint_key(tx, **ASKED)
        row = await tx.fetchrow("select *, t::text as whole from identity.api_keys t")
    assert row["hash"] == digest(text)
    assert row["created_by"] == "staff:eve"
    assert text[8:-4] not in row["whole"]
    assert key.hint.endswith(text[-4:])


async def test_a_key_is_told_of_without_its_text(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        key, text = await identity.mint_key(tx, **ASKED)
        [told] = [each.event for each in tx.outbox]
    assert (told.name, told.api_key_id, told.role) == ("identity.api_key.created", key.id, "billing")
    assert text not in repr(told)


async def test_revoking_twice_is_told_once(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        key, _ = await identity.mint_key(tx, **ASKED)
        first = await identity.revoke_key(tx, key_id=key.id, now=NOW)
        again = await identity.revoke_key(tx, key_id=key.id, now=NOW + timedelta(days=1))
        assert [each.event.name for each in tx.outbox].count("identity.api_key.revoked") == 1
    assert first.revoked_at == again.revoked_at == NOW


async def test_an_unknown_key_is_not_revoked(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        with pytest.raises(NotFound):
            await identity.revoke_key(tx, key_id=ids.new(NOW), now=NOW)


@pytest.mark.shows("API5", "ASVS 8.2.1")
async def test_a_key_never_reaches_further_than_whoever_makes_it(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        with pytest.raises(ScopeNotHeld):
            await identity.mint_key(tx, **{**ASKED, "scopes": {"*"}}, held=frozenset({"invoices:write"}))
        await identity.mint_key(tx, **ASKED, held=frozenset({"invoices:write"}))


async def test_a_key_that_has_expired_is_not_made(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        with pytest.raises(ExpiresInThePast):
            await identity.mint_key(tx, **{**ASKED, "expires_at": NOW})


@pytest.mark.shows("API4")
async def test_keys_that_count_are_limited(database, tenant, monkeypatch):
    monkeypatch.setattr("guilder.domain.identity.service.api_keys.KEYS_MAX", 1)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        key, _ = await identity.mint_key(tx, **ASKED)
        with pytest.raises(TooManyKeys):
            await identity.mint_key(tx, **ASKED)
        await identity.revoke_key(tx, key_id=key.id, now=NOW)
        await identity.mint_key(tx, **ASKED)
