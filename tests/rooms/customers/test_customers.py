import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import CustomerChanges
from guilder.domain.customers.service import CustomerIsErased, OrganizationExists
from guilder.domain.identity.model import Address
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.bus import codec
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import SubjectErased
from tests.support.builders.customers import a_customer, a_new_customer
from tests.support.builders.identity import NOW, a_tenant, new_tenant
from tests.support.database import connected


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database, time_zone="Europe/Amsterdam")).tenant_id


async def test_a_customer_is_read_as_it_was_made(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx, metadata={"plan": "old"}, language="nl")
    async with database.transaction([tenant], actor="test") as tx:
        assert await customers.one(tx, customer_id=made.id) == made
    assert made.address == Address(line1="12 Square", city="London", postal_code="W1", country="GB")


async def test_what_is_left_out_is_the_new_id_and_the_tenants_zone(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx, organization_id="")
        assert made.organization_id == ids.to_text("cus", made.id)
        assert made.time_zone == "Europe/Amsterdam"
        assert await customers.find(tx, text=made.organization_id) == made


@pytest.mark.shows("LAW events", "ASVS 14.2.6")
async def test_events_carry_no_personal_data(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx, organization_id="org_1")
        await customers.update(tx, customer_id=made.id, changes=CustomerChanges(email="a@b.example"), now=NOW)
        told = [codec.encode(each.event).decode() for each in tx.outbox]
    assert len(told) == 2
    for secret in ("Ada", "lovelace", "b.example", "London", "GB980780684"):
        assert secret not in "".join(told)


@pytest.mark.shows("ASVS 14.2.4", "ASVS 14.1.2")
async def test_no_table_holds_personal_data_in_plain(database, database_urls, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx)
        await customers.update(tx, customer_id=made.id, changes=CustomerChanges(phone="+31 20 555 0000"), now=NOW)
    async with connected(database_urls.admin) as admin:
        whole = "".join(
            [
                await admin.fetchval(
                    f"select coalesce(string_agg(encode(t::text::bytea, 'escape'), ''), '') from {table} t"
                )
                for table in ("customers.customers", "platform.subject_keys", "platform.log")
            ]
        )
        # bytea prints as hex: look for the bytes as well as for the words.
    assert made.organization_id in whole
    for secret in ("Ada", "lovelace", "+44 20", "+31 20", "London", "GB980780684"):
        assert secret not in whole
        assert secret.encode().hex() not in whole


async def test_an_organization_is_one_customer_and_nothing_of_a_batch_is_kept(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    batch = [a_new_customer(tenant_id=tenant), a_new_customer(tenant_id=tenant, organization_id="org_1")]
    with pytest.raises(OrganizationExists, match="org_1"):
        async with database.transaction([tenant], actor="test") as tx:
            await customers.create(tx, customers=batch, now=NOW)
    async with database.transaction([tenant], actor="test") as tx:
        assert len((await customers.listing(tx, query=PageQuery())).items) == 1


@pytest.mark.parametrize("written", [str, lambda customer_id: ids.to_text("cus", customer_id)])
async def test_nobody_is_called_what_somebody_elses_id_is(database, tenant, written):
    async with database.transaction([tenant], actor="test") as tx:
        theirs = await a_customer(tx, organization_id="org_1")
        for strange in (uuid4(), written(uuid4())):  # which nobody has
            await a_customer(tx, organization_id=str(strange))
    with pytest.raises(OrganizationExists, match=written(theirs.id)):
        async with database.transaction([tenant], actor="test") as tx:
            await a_customer(tx, organization_id=written(theirs.id))


async def test_a_batch_that_names_an_organization_twice_is_refused(database, tenant):
    batch = [a_new_customer(tenant_id=tenant, organization_id="org_1") for _ in range(2)]
    with pytest.raises(OrganizationExists):
        async with database.transaction([tenant], actor="test") as tx:
            await customers.create(tx, customers=batch, now=NOW)


async def test_of_many_who_make_one_organization_at_once_one_succeeds(database, tenant):
    async def make():
        async with database.transaction([tenant], actor="test") as tx:
            made = await a_customer(tx, organization_id="org_1")
            await asyncio.sleep(0.05)
        return made

    done = await asyncio.gather(*(make() for _ in range(8)), return_exceptions=True)
    refused = [each for each in done if isinstance(each, OrganizationExists)]
    assert len(refused) == 7, done
    async with database.transaction([tenant], actor="test") as tx:
        assert len((await customers.listing(tx, query=PageQuery())).items) == 1


async def test_the_same_organization_may_be_a_customer_of_two_tenants(database, tenant):
    other = (await new_tenant(database)).tenant_id
    batch = [a_new_customer(tenant_id=each, organization_id="org_1") for each in (tenant, other)]
    async with database.transaction([tenant, other], actor="test") as tx:
        made = await customers.create(tx, customers=batch, now=NOW)
    assert [each.tenant_id for each in made] == [tenant, other]


@pytest.mark.parametrize("verb", ["create", "get", "lock"])
async def test_five_hundred_take_as_many_statements_as_one(database, tenant, verb):
    asked = []

    async def counted(tx: Tx, size: int) -> int:
        batch = [a_new_customer(tenant_id=tenant) for _ in range(size)]
        made = await customers.create(tx, customers=batch, now=NOW) if verb != "create" else []
        tx.connection.add_query_logger(asked.append)
        asked.clear()
        if verb == "create":
            await customers.create(tx, customers=batch, now=NOW)
        else:
            found = await getattr(customers, verb)(tx, refs=[customers.ref_of(each) for each in made])
            assert len(found) == size
        tx.connection.remove_query_logger(asked.append)
        return len(asked)

    async with database.transaction([tenant], actor="test") as tx:
        await counted(tx, 1)  # the driver asks each connection for the types of a statement once
        assert await counted(tx, 1) == await counted(tx, 500) <= 4


async def test_changes_are_kept_and_told_by_name(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx)
    async with database.transaction([tenant], actor="test") as tx:
        changes = CustomerChanges(name="Countess", email="", metadata={"a": "b"}, address=Address(country="NL"))
        changed = await customers.update(tx, customer_id=made.id, changes=changes, now=NOW + timedelta(days=1))
        [told] = [each.event for each in tx.outbox]
    assert sorted(told.changed) == ["address", "email", "metadata", "name"]
    async with database.transaction([tenant], actor="test") as tx:
        assert await customers.one(tx, customer_id=made.id) == changed
        assert (changed.name, changed.email, changed.phone) == ("Countess", "", made.phone)
        await customers.update(tx, customer_id=made.id, changes=CustomerChanges(name="Countess"), now=NOW)
        assert tx.outbox == []


async def test_an_address_is_found_whole_and_whatever_its_case(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        ada = await a_customer(tx, email="Ada@Lovelace.example")
        twin = await a_customer(tx, email="ada@lovelace.example")
        await a_customer(tx, email="")
        found = await customers.listing(tx, query=PageQuery(), email="ADA@lovelace.example")
        assert [each.id for each in found.items] == [twin.id, ada.id]
        for unknown in ("ada@lovelace", "", "%"):
            assert (await customers.listing(tx, query=PageQuery(), email=unknown)).items == []
        changes = CustomerChanges(email="new@lovelace.example")
        await customers.update(tx, customer_id=ada.id, changes=changes, now=NOW)
        found = await customers.listing(tx, query=PageQuery(), email="ada@lovelace.example")
        assert [each.id for each in found.items] == [twin.id]


async def test_equal_addresses_of_two_tenants_do_not_look_equal(database, database_urls, tenant):
    other = (await new_tenant(database)).tenant_id
    async with database.transaction([tenant, other], actor="test") as tx:
        for each in (tenant, other):
            await a_customer(tx, tenant_id=each, email="ada@lovelace.example")
        hashes = [row["email_hash"] for row in await tx.fetch("select email_hash from customers.customers")]
    assert len(set(hashes)) == 2


async def test_pages_hold_everyone_once_the_newest_first(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = [await a_customer(tx) for _ in range(5)]
        seen, after = [], None
        while True:
            page = await customers.listing(tx, query=PageQuery(limit=2, after=after))
            seen += [each.id for each in page.items]
            after = page.next_after
            if after is None:
                break
    assert seen == [each.id for each in reversed(made)]


async def test_only_the_one_that_may_be_seen_is_found(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        mine, other = await a_customer(tx), await a_customer(tx)
        assert await customers.find(tx, text=mine.organization_id, only=mine.id) == mine
        for text in (other.organization_id, str(other.id), ids.to_text("cus", other.id), "org_none"):
            with pytest.raises(NotFound) as refusal:
                await customers.find(tx, text=text, only=mine.id)
            assert refusal.value.detail == "there is no such customer"
        assert [each.id for each in (await customers.listing(tx, query=PageQuery(), customer_id=mine.id)).items] == [
            mine.id
        ]


@pytest.mark.shows("I31", "LAW erasure")
async def test_an_erased_customer_is_a_name_without_a_person(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx, metadata={"a": "b"})
    async with database.transaction([tenant], actor="test") as tx:
        ref = customers.ref_of(made)
        await customers.erase(tx, refs=[ref], now=NOW)
        await customers.erase(tx, refs=[ref], now=NOW)
        assert [each.event.name for each in tx.outbox] == ["customers.customer.erased"]
    async with database.transaction([tenant], actor="test") as tx:
        left = await customers.one(tx, customer_id=made.id)
        assert (left.is_erased, left.name, left.email, left.address, dict(left.metadata)) == (
            True,
            "",
            "",
            Address(),
            {},
        )
        assert left.organization_id == f"erased_{made.id.hex}"
        asked = made.organization_id
        assert (await customers.by_organization(tx, organization_ids=[asked]))[asked] == left
        assert (await customers.listing(tx, query=PageQuery(), email=made.email)).items == []
        with pytest.raises((CustomerIsErased, SubjectErased)):
            await customers.update(tx, customer_id=made.id, changes=CustomerChanges(name="x"), now=NOW)


async def test_locked_customers_keep_others_waiting_but_not_rows_that_refer_to_them(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx)
    ref = customers.ref_of(made)
    async with database.transaction([tenant], actor="test") as first:
        await customers.lock(first, refs=[ref])
        async with database.transaction([tenant], actor="test") as second:
            # What a foreign key takes.
            await second.fetch("select id from customers.customers for key share nowait")
            await second.execute("set local lock_timeout = 100")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await customers.lock(second, refs=[ref])


async def test_whom_each_text_means_is_held_by_one_statement(database, tenant):
    statements = []
    async with database.transaction([tenant], actor="test") as tx:
        ada, bob, eve = [await a_customer(tx) for _ in range(3)]
        gone = await a_customer(tx)
        await customers.erase(tx, refs=[customers.ref_of(gone)], now=NOW)
    texts = [ada.organization_id, ids.to_text("cus", bob.id), str(eve.id)]
    async with database.transaction([tenant], actor="test") as tx:
        tx.connection.add_query_logger(lambda record: statements.append(record.query))
        held = await customers.hold_each(tx, texts=texts)
        assert held == dict(zip(texts, (ada, bob, eve), strict=True))
        await asyncio.sleep(0)  # the driver tells a turn later
        assert [each for each in statements if "for no key update" in each] == statements[:1]
        assert len([each for each in statements if "customers.customers" in each]) == 1
        left = await customers.hold_each(tx, texts=["org_none", ids.to_text("cus", gone.id), gone.organization_id])
        assert {text: (each.id, each.is_erased) for text, each in left.items()} == {
            ids.to_text("cus", gone.id): (gone.id, True),
            gone.organization_id: (gone.id, True),
        }


async def test_what_reads_as_an_id_may_be_an_organization(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        ada = await a_customer(tx)
        name = ids.to_text("cus", ada.id)
        lost = ids.to_text("cus", ids.new(NOW))
        called = await a_customer(tx, organization_id=lost)
        assert await customers.hold_each(tx, texts=[name, lost]) == {name: ada, lost: called}


async def test_only_the_one_that_may_be_seen_is_held(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        mine, other, gone = [await a_customer(tx) for _ in range(3)]
        await customers.erase(tx, refs=[customers.ref_of(gone)], now=NOW)
    texts = [mine.organization_id, other.organization_id, ids.to_text("cus", other.id), gone.organization_id]
    async with database.transaction([tenant], actor="test") as tx:
        assert await customers.hold_each(tx, texts=texts, only=mine.id) == {mine.organization_id: mine}
        async with database.transaction([tenant], actor="test") as second:
            free = await customers.hold_each(second, texts=texts, waits=False)
    assert {each.id for each in free.values()} == {other.id, gone.id}


async def test_who_was_erased_while_another_waited_for_it_is_held_as_what_is_left(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx)
    asked = made.organization_id

    async def hold():
        async with database.transaction([tenant], actor="test") as tx:
            return (await customers.hold_each(tx, texts=[asked]))[asked]

    async with database.transaction([tenant], actor="test") as tx:
        await customers.erase(tx, refs=[customers.ref_of(made)], now=NOW)
        waiting = asyncio.create_task(hold())
        await _is_waited_for(tx)
    left = await waiting
    assert (left.id, left.is_erased, left.name) == (made.id, True, "")


async def test_who_is_held_is_not_erased_before_the_commit(database, tenant):
    """So the key that a customer was opened with may be kept until then: `Vault.open_held`."""
    async with database.transaction([tenant], actor="test") as tx:
        made = await a_customer(tx)

    async def erase():
        async with database.transaction([tenant], actor="test") as tx:
            await customers.erase(tx, refs=[customers.ref_of(made)], now=NOW)

    async with database.transaction([tenant], actor="test") as tx:
        await customers.hold_each(tx, texts=[made.organization_id])
        erasing = asyncio.create_task(erase())
        await _is_waited_for(tx)
        keys = "select count(*) from platform.subject_keys where subject_id = $1 and wrapped_key is not null"
        assert await tx.fetchval(keys, made.id) == 1
    await erasing
    async with database.transaction([tenant], actor="test") as tx:
        assert await tx.fetchval(keys, made.id) == 0


async def _is_waited_for(tx: Tx) -> None:
    async with asyncio.timeout(10):
        while not await tx.fetchval("select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"):
            await asyncio.sleep(0.01)


@pytest.fixture
async def two(database):
    async with database.transaction(actor="test") as tx:
        both = [await a_tenant(tx), await a_tenant(tx)]
        return [await a_customer(tx, tenant_id=each.tenant_id) for each in both]


@pytest.mark.shows("I28")
async def test_no_verb_reaches_another_tenants_customer(database, two):
    mine, other = two
    async with database.transaction([mine.tenant_id], actor="test") as tx:
        ref = customers.ref_of(other)
        assert await customers.get(tx, refs=[ref, Ref(mine.tenant_id, other.id)]) == {}
        assert await customers.lock(tx, refs=[ref]) == {}
        assert await customers.by_organization(tx, organization_ids=[other.organization_id]) == {}
        assert await customers.customer_of(tx, other.organization_id) is None
        assert [each.id for each in (await customers.listing(tx, query=PageQuery(), email=other.email)).items] == [
            mine.id
        ]
        for attempt in (
            customers.one(tx, customer_id=other.id),
            customers.find(tx, text=str(other.id)),
            customers.find(tx, text=other.organization_id),
            customers.update(tx, customer_id=other.id, changes=CustomerChanges(name="x"), now=NOW),
        ):
            with pytest.raises(NotFound):
                await attempt
        await customers.erase(tx, refs=[Ref(mine.tenant_id, other.id)], now=NOW)
    async with database.transaction([other.tenant_id], actor="test") as tx:
        assert await customers.one(tx, customer_id=other.id) == other


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_a_forgotten_filter_shows_and_changes_nothing_of_another_tenant(database, two):
    mine, other = two
    async with database.transaction([mine.tenant_id], actor="test") as tx:
        assert [row["id"] for row in await tx.fetch("select id from customers.customers")] == [mine.id]
        assert await tx.execute("update customers.customers set language = 'xx'") == 1
        assert await tx.execute("update customers.customers set language = 'xx' where id = $1", other.id) == 0
    async with database.transaction(actor="test") as tx:
        assert await tx.fetch("select id from customers.customers") == []
    for attempt in (
        "update customers.customers set tenant_id = $1",
        "delete from customers.customers where tenant_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction([mine.tenant_id], actor="test") as tx:
                await tx.execute(attempt, other.tenant_id)


async def test_nothing_is_made_for_a_tenant_that_is_not_seen(database, two):
    mine, other = two
    with pytest.raises((KeyError, asyncpg.InsufficientPrivilegeError)):
        async with database.transaction([mine.tenant_id], actor="test") as tx:
            await a_customer(tx, tenant_id=other.tenant_id, time_zone="UTC")
