"""Many who come at once with one key: one of them reads it, and nobody takes a word that may not be remembered."""

import asyncio

import httpx
import pytest

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity import store
from guilder.domain.identity.model import Mode, Role
from guilder.kernel.errors import Unauthenticated
from guilder.platform.clock import HandClock
from tests.support.builders.identity import new_tenant
from tests.support.identity_provider import NOW, Seconds
from tests.support.nearby import listening


@pytest.fixture
async def make(database):
    async with httpx.AsyncClient() as client:

        def authentication(**over) -> identity.Authentication:
            verifiers = identity.Verifiers(client=client, monotonic=Seconds())
            return identity.Authentication(
                database, verifiers, HandClock(NOW), customer_of=customers.customer_of, **over
            )

        yield authentication


@pytest.fixture
async def tenant(database):
    return await new_tenant(database, slug="default", mode=Mode.LIVE)


@pytest.fixture
async def text(database, tenant):
    said = {"name": "k", "role": Role.BILLING, "scopes": {"invoices:read"}, "expires_at": None, "now": NOW}
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        return (await identity.mint_key(tx, **said))[1]


async def test_of_a_crowd_with_one_key_one_reads_it(text, make, database, monkeypatch):
    read = []
    keys = store.keys

    async def counted(tx, **about):
        read.append(about)
        return await keys(tx, **about)

    monkeypatch.setattr(store, "keys", counted)
    async with listening(database) as near:
        authentication = make(near=near)
        found = await asyncio.gather(*(authentication.principal_of(text) for _ in range(20)))
        assert len(read) == 1
        assert {each.subject for each in found} == {found[0].subject}
    # Nothing may be remembered: nobody takes another's word.
    await asyncio.gather(*(make().principal_of(text) for _ in range(5)))
    assert len(read) == 6
    unheard = make()
    await asyncio.gather(*(unheard.principal_of(text) for _ in range(5)))
    assert len(read) == 11


async def test_of_a_crowd_with_a_revoked_key_each_is_refused(database, tenant, text, make):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        [key] = await identity.keys(tx)
        await identity.revoke_key(tx, key_id=key.id, now=NOW)
    async with listening(database) as near:
        authentication = make(near=near)
        asked = [authentication.principal_of(text) for _ in range(5)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in outcomes] == [Unauthenticated] * 5


async def test_who_reads_a_key_and_gives_up_leaves_nobody_waiting(database, tenant, text, make, monkeypatch):
    begun = asyncio.Event()
    keys = store.keys

    async def slow(tx, **about):
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(60)
        return await keys(tx, **about)

    monkeypatch.setattr(store, "keys", slow)
    async with listening(database) as near:
        authentication = make(near=near)
        first = asyncio.create_task(authentication.principal_of(text))
        await begun.wait()
        second = asyncio.create_task(authentication.principal_of(text))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).tenant_id == tenant.tenant_id
