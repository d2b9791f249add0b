"""The vault keeps a key per subject in PostgreSQL, and forgets it for good when told to."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from guilder.kernel.ids import Ref
from guilder.platform.crypto import KeyRing, Tampered, UnknownKey, new_key
from guilder.platform.db.database import Database
from guilder.platform.db.vault import OWN_KEY, Sealed, Sealing, SubjectErased, Vault
from tests.support.database import connected

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIELD = "customers.customers.email"
A, B = uuid4(), uuid4()
OLD, NEW = new_key("old"), new_key("new")


@pytest.fixture
async def database(database_urls, clean):
    database = await Database.connect(database_urls.app, size_max=8, vault=Vault(KeyRing([OLD])))
    yield database
    await database.close()


async def sealed(database, *subjects, tenant=A, text="a@b.test"):
    async with database.transaction([tenant], actor="test") as tx:
        items = [Sealing(tenant, subject, FIELD, text) for subject in subjects]
        return await tx.vault.seal_many(tx, items, now=NOW)


async def opened(database, *items, tenants=(A, B), vault=None):
    async with database.transaction(tenants, actor="test") as tx:
        return await (vault or tx.vault).open_many(tx, items)


async def destroyed(database, *refs):
    async with database.transaction({ref.tenant_id for ref in refs}, actor="test") as tx:
        await tx.vault.destroy(tx, refs, now=NOW)


async def test_what_was_sealed_opens_in_order(database):
    ada, bob = uuid4(), uuid4()
    async with database.transaction([A, B], actor="test") as tx:
        items = [
            Sealing(A, ada, FIELD, "ada@a.test"),
            Sealing(B, ada, FIELD, "ada@b.test"),
            Sealing(A, bob, FIELD, ""),
            Sealing(A, ada, "customers.customers.name", "Ada Lövelace"),
        ]
        ciphertexts = await tx.vault.seal_many(tx, items, now=NOW)
    asked = [Sealed(item.tenant_id, item.subject_id, item.field, c) for item, c in zip(items, ciphertexts, strict=True)]
    assert await opened(database, *asked) == [item.plaintext for item in items]
    assert await opened(database, *reversed(asked)) == [item.plaintext for item in reversed(items)]
    assert await opened(database) == []


async def test_a_batch_takes_three_statements_at_most(database):
    said = []
    subjects = [uuid4() for _ in range(500)]
    async with database.transaction([A], actor="test") as tx:
        tx.connection.add_query_logger(lambda record: "subject_keys" in record.query and said.append(record))
        for _ in range(2):
            items = [Sealing(A, subject, FIELD, "x") for subject in subjects] * 2
            await tx.vault.seal_many(tx, items, now=NOW)
    assert len(said) == 3  # look and make; then look


@pytest.mark.shows("ASVS 11.3.3")
async def test_a_ciphertext_moved_elsewhere_does_not_open(database):
    ada, bob = uuid4(), uuid4()
    of_ada, _ = await sealed(database, ada, bob)
    await sealed(database, ada, tenant=B)
    for moved in (
        Sealed(A, bob, FIELD, of_ada),
        Sealed(A, ada, "customers.customers.name", of_ada),
        Sealed(B, ada, FIELD, of_ada),
        Sealed(A, ada, FIELD, of_ada[:-1] + bytes([of_ada[-1] ^ 1])),
    ):
        with pytest.raises(Tampered):
            await opened(database, moved)


@pytest.mark.shows("ASVS 11.3.3")
async def test_a_wrapped_key_moved_to_another_subject_does_not_unwrap(database, database_urls):
    ada, bob = uuid4(), uuid4()
    of_ada, of_bob = await sealed(database, ada, bob)
    async with connected(database_urls.admin) as admin:
        await admin.execute(
            """update platform.subject_keys set wrapped_key =
                      (select wrapped_key from platform.subject_keys where subject_id = $1) where subject_id = $2""",
            ada,
            bob,
        )
    assert await opened(database, Sealed(A, ada, FIELD, of_ada)) == ["a@b.test"]
    with pytest.raises(Tampered):
        await opened(database, Sealed(A, bob, FIELD, of_bob))
    with pytest.raises(Tampered):  # nor is anything of bob's sealed under it
        await sealed(database, bob)


@pytest.mark.shows("I31", "LAW erasure")
async def test_destroying_a_key_erases_its_subject_and_nobody_else(database):
    ada, bob = uuid4(), uuid4()
    of_ada, of_bob = await sealed(database, ada, bob)
    await destroyed(database, Ref(A, ada))
    await destroyed(database, Ref(A, ada))

    assert await opened(database, Sealed(A, ada, FIELD, of_ada), Sealed(A, bob, FIELD, of_bob)) == [None, "a@b.test"]
    with pytest.raises(SubjectErased):
        await sealed(database, bob, ada)


async def test_a_subject_erased_before_anything_was_sealed_stays_erased(database):
    ada = uuid4()
    await destroyed(database, Ref(A, ada))
    with pytest.raises(SubjectErased):
        await sealed(database, ada)


async def test_the_database_itself_keeps_a_destroyed_key_destroyed(database):
    ada = uuid4()
    await sealed(database, ada)
    await destroyed(database, Ref(A, ada))
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.transaction([A], actor="test") as tx:
            await tx.execute("update platform.subject_keys set wrapped_key = 'x', destroyed_at = null")


async def test_a_tenants_own_key_that_came_with_its_row_is_not_looked_for_again(database):
    said = []
    async with database.transaction([A, B], actor="test") as tx:
        items = [Sealing(tenant, tenant, FIELD, "x") for tenant in (A, B)]
        first, second = await tx.vault.seal_many(tx, items, now=NOW)
    async with database.transaction([A, B], actor="test") as tx:
        rows = await tx.fetch(
            f"select t.tenant_id, {OWN_KEY} from unnest($1::uuid[]) as t (tenant_id)", [A, B, uuid4()]
        )
        tx.connection.add_query_logger(lambda record: "subject_keys" in record.query and said.append(record))
        tx.vault.hold_own(tx, rows)
        assert set(tx.keys) == {Ref(A, A), Ref(B, B)}
        asked = [Sealed(A, A, FIELD, first), Sealed(B, B, FIELD, second)]
        assert await tx.vault.open_many(tx, asked) == ["x", "x"]
        [again] = await tx.vault.seal_many(tx, [Sealing(A, A, FIELD, "new")], now=NOW)
        await asyncio.sleep(0)  # the driver tells a turn later
        assert said == []
        await tx.vault.destroy(tx, [Ref(A, A)], now=NOW)
        assert await tx.vault.open_many(tx, [Sealed(A, A, FIELD, again)]) == [None]
        with pytest.raises(SubjectErased):
            await tx.vault.seal_many(tx, items, now=NOW)


async def test_what_a_transaction_holds_is_opened_and_sealed_by_one_look(database):
    ada, bob, said = uuid4(), uuid4(), []
    [first, second] = await sealed(database, ada, bob)
    async with database.transaction([A], actor="test") as tx:
        tx.connection.add_query_logger(lambda record: "subject_keys" in record.query and said.append(record))
        assert await tx.vault.open_held(tx, [Sealed(A, ada, FIELD, first)]) == ["a@b.test"]
        [again] = await tx.vault.seal_many(tx, [Sealing(A, ada, FIELD, "new")], now=NOW)
        assert await tx.vault.open_many(tx, [Sealed(A, ada, FIELD, again)]) == ["new"]
        await asyncio.sleep(0)  # the driver tells a turn later
        assert len(said) == 1
        assert await tx.vault.open_many(tx, [Sealed(A, bob, FIELD, second), Sealed(A, ada, FIELD, first)]) == [
            "a@b.test",
            "a@b.test",
        ]
        await asyncio.sleep(0)
        assert len(said) == 2
    async with database.transaction([A], actor="test") as tx:
        assert not tx.keys


async def test_a_key_that_its_own_transaction_destroys_is_not_kept(database):
    ada = uuid4()
    [ciphertext] = await sealed(database, ada)
    async with database.transaction([A], actor="test") as tx:
        await tx.vault.open_held(tx, [Sealed(A, ada, FIELD, ciphertext)])
        await tx.vault.destroy(tx, [Ref(A, ada)], now=NOW)
        assert await tx.vault.open_held(tx, [Sealed(A, ada, FIELD, ciphertext)]) == [None]
        with pytest.raises(SubjectErased):
            await tx.vault.seal_many(tx, [Sealing(A, ada, FIELD, "x")], now=NOW)


async def test_what_was_held_within_a_rehearsal_is_looked_for_again(database):
    ada, bob = uuid4(), uuid4()
    [first, second] = await sealed(database, ada, bob)
    async with database.transaction([A], actor="test") as tx:
        await tx.vault.open_held(tx, [Sealed(A, ada, FIELD, first)])
        async with tx.rehearsal():
            await tx.vault.open_held(tx, [Sealed(A, bob, FIELD, second)])
            await tx.vault.destroy(tx, [Ref(A, ada)], now=NOW)
        # Its lock on the second ended with it; the first was not destroyed.
        assert list(tx.keys) == [Ref(A, ada)]


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_a_subject_of_another_tenant_is_not_to_be_seen(database):
    ada = uuid4()
    (of_ada,) = await sealed(database, ada)
    assert await opened(database, Sealed(A, ada, FIELD, of_ada), tenants=[B]) == [None]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction([B], actor="test") as tx:
            await tx.vault.seal_many(tx, [Sealing(A, uuid4(), FIELD, "x")], now=NOW)


async def test_a_key_that_another_transaction_is_making_is_waited_for(database):
    ada = uuid4()
    async with database.transaction([A], actor="first") as first:
        (one,) = await first.vault.seal_many(first, [Sealing(A, ada, FIELD, "one")], now=NOW)
        waiting = asyncio.create_task(sealed(database, ada, text="two"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    (two,) = await waiting
    assert await opened(database, Sealed(A, ada, FIELD, one), Sealed(A, ada, FIELD, two)) == ["one", "two"]


async def test_batches_that_name_the_same_subjects_in_another_order_do_not_deadlock(database):
    first, last = sorted(uuid4() for _ in range(2))
    # Rolled back at the end: those who wait for it then make the keys themselves.
    async with database.transaction([A], actor="holder", keep=False) as holder:
        await holder.vault.seal_many(holder, [Sealing(A, last, FIELD, "x")], now=NOW)
        waiting = [asyncio.create_task(sealed(database, first, last))]
        await asyncio.sleep(0.1)
        waiting += [asyncio.create_task(sealed(database, last, first)) for _ in range(5)]
        await asyncio.sleep(0.2)
    assert len(await asyncio.gather(*waiting)) == 6


async def test_transactions_that_make_the_same_keys_at_once_agree_on_them(database):
    subjects = [uuid4() for _ in range(50)]
    batches = await asyncio.gather(*(sealed(database, *(subjects if n % 2 else reversed(subjects))) for n in range(8)))
    for n, batch in enumerate(batches):
        order = subjects if n % 2 else list(reversed(subjects))
        items = [Sealed(A, subject, FIELD, each) for subject, each in zip(order, batch, strict=True)]
        assert set(await opened(database, *items)) == {"a@b.test"}


@pytest.mark.shows("ASVS 13.3.4")
async def test_a_rotated_master_key_opens_what_the_old_one_wrapped_and_wraps_it_anew(database):
    ada, bob, gone = uuid4(), uuid4(), uuid4()
    of_ada, of_bob, _ = await sealed(database, ada, bob, gone)
    await destroyed(database, Ref(A, gone))
    items = [Sealed(A, ada, FIELD, of_ada), Sealed(A, bob, FIELD, of_bob)]
    rotated = Vault(KeyRing([NEW, OLD]))

    with pytest.raises(UnknownKey):
        await opened(database, *items, vault=Vault(KeyRing([NEW])))
    assert await opened(database, *items, vault=rotated) == ["a@b.test"] * 2
    async with database.transaction([A], actor="test") as tx:
        assert [await rotated.rewrap(tx, limit=1) for _ in range(3)] == [1, 1, 0]
    assert await opened(database, *items, vault=Vault(KeyRing([NEW]))) == ["a@b.test"] * 2


@pytest.mark.shows("I29", "ASVS 14.2.4")
async def test_neither_the_text_nor_an_open_key_lies_in_the_database(database, database_urls):
    ada = uuid4()
    (of_ada,) = await sealed(database, ada, text="canary@a.test")
    assert b"canary" not in of_ada
    async with connected(database_urls.doctor) as doctor:
        assert await doctor.fetchval("select count(subject_id) from platform.subject_keys") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await doctor.fetch("select wrapped_key from platform.subject_keys")


async def test_a_database_connected_without_a_vault_says_so(database_urls):
    database = await Database.connect(database_urls.app)
    try:
        async with database.transaction([A], actor="test") as tx:
            with pytest.raises(AssertionError, match="without a vault"):
                assert tx.vault
    finally:
        await database.close()
