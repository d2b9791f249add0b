"""The master key is changed while the house works, is unwrapped by a KMS, and is taken out when nothing needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer
from starlette.responses import Response

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.entrypoints import rewrapping
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.auth.principal import Kind, Principal
from guilder.platform.auth.principal import Role as PrincipalRole
from guilder.platform.crypto import Key, UnknownKey, written
from guilder.platform.db import masters
from guilder.platform.db.database import Database
from guilder.platform.db.masters.aws import AwsKms
from guilder.platform.db.vault import Vault
from guilder.platform.http import idempotency
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import DatabaseUrls, connected, named, new_database

OLD = Key("old", b"o" * 32)
CUSTOMERS = 12
# Two that ask under one idempotency key at once would meet.
WHO = ("one", "other", "command")


class Kept:
    """A source in memory: what a folder is to processes."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)

    async def load(self) -> list[Key]:
        return list(self.keys)

    async def store(self, keys) -> None:
        self.keys = list(keys)


@asynccontextmanager
async def a_process(urls: DatabaseUrls, source: masters.Source) -> AsyncIterator[Database]:
    """A process of its own ring, which reads the keys again every 20 ms."""
    ring = await masters.opened(source)
    database = await Database.connect(urls.app, size_max=4, vault=Vault(ring))
    keeping = asyncio.create_task(masters.keep_fresh(ring, source, every_s=0.02))
    try:
        yield database
    finally:
        keeping.cancel()
        await database.close()


def silent(_: str) -> None: ...


@pytest.fixture
async def urls(database_urls: DatabaseUrls, clean: None) -> DatabaseUrls:
    return database_urls


async def furnished(database: Database) -> TenantId:
    tenant_id = (await new_tenant(database)).tenant_id
    async with database.transaction([tenant_id], actor="test") as tx:
        for number in range(CUSTOMERS):
            await a_customer(tx, organization_id=f"org_{number}", email=f"person-{number}@example.com")
        await identity.invite(tx, email="staff@example.com", role=Role.ADMIN, now=NOW)
        for who in WHO:
            await idempotency.remember(tx, a_key(tenant_id, who), database.vault.ring, Response(b'{"told": "once"}'))
    return tenant_id


def a_key(tenant_id: TenantId, text: str) -> idempotency.Key:
    asker = Principal(kind=Kind.API_KEY, subject="1", tenant_id=tenant_id, role=PrincipalRole.ADMIN)
    return idempotency.Key(asker, text, b"f" * 32)


async def everything_opens(database: Database, tenant_id: TenantId, *, who: str = "command") -> None:
    async with database.transaction([tenant_id], actor="test") as tx:
        for number in range(CUSTOMERS):
            page = await customers.listing(tx, query=PageQuery(limit=5), email=f"person-{number}@example.com")
            assert [each.organization_id for each in page.items] == [f"org_{number}"]
        assert [each.email for each in await identity.members(tx)] == ["staff@example.com"]
        replayed = await idempotency.claim(tx, a_key(tenant_id, who), database.vault.ring)
        assert replayed is not None
        assert replayed.body == b'{"told": "once"}'


@pytest.mark.shows("ASVS 13.3.4", "ASVS 11.1.1")
async def test_the_key_is_changed_in_a_storm_without_one_failed_request(urls):
    source = Kept(OLD)
    async with a_process(urls, source) as one, a_process(urls, source) as other, a_process(urls, source) as command:
        tenant_id = await furnished(command)
        done, stop = [0, 0], asyncio.Event()

        async def requests(database: Database, who: int) -> None:
            while not stop.is_set():
                async with database.transaction([tenant_id], actor="test") as tx:
                    made = await a_customer(
                        tx, organization_id=f"new_{who}_{done[who]}", email=f"new-{who}-{done[who]}@example.com"
                    )
                await everything_opens(database, tenant_id, who=WHO[who])
                async with (other if database is one else one).transaction([tenant_id], actor="test") as tx:
                    assert (
                        await customers.one(tx, customer_id=CustomerId(made.id))
                    ).email == f"new-{who}-{done[who]}@example.com"
                done[who] += 1

        storm = [asyncio.create_task(requests(one, 0)), asyncio.create_task(requests(other, 1))]
        new = await rewrapping.add(source, rewrapping.database_ring(command))
        await known(new.id, one, other)
        await rewrapping.promote(source, rewrapping.database_ring(command), new.id)
        await known(new.id, one, other, first=True)
        # What was sealed by the old key before is committed by now: in the house the wait sees to it.
        await one_more_each(done, storm)
        await rewrapping.rewrap(command, [tenant_id], say=silent)
        await rewrapping.retire(source, command, [tenant_id], "old")
        await one_more_each(done, storm)
        stop.set()
        await asyncio.gather(*storm)
        assert [key.id for key in source.keys] == [new.id]
        await everything_opens(command, tenant_id)
    async with a_process(urls, source) as fresh:
        await everything_opens(fresh, tenant_id)


async def one_more_each(done: list[int], storm: list[asyncio.Task[None]]) -> None:
    """Wait until a request of each began and ended."""
    before = list(done)
    async with asyncio.timeout(60):
        while any(now < then + 2 for now, then in zip(done, before, strict=True)):
            await asyncio.sleep(0.01)
            for task in storm:
                assert not task.done(), task.exception()


async def known(key_id: str, *processes: Database, first: bool = False) -> None:
    async with asyncio.timeout(30):
        while not all(key_id in process.vault.ring.ids[: 1 if first else None] for process in processes):
            await asyncio.sleep(0.01)


async def test_a_key_is_not_taken_out_while_anything_is_sealed_by_it_or_it_is_the_current_one(urls):
    source = Kept(OLD)
    async with a_process(urls, source) as database:
        tenant_id = await furnished(database)
        ring = rewrapping.database_ring(database)
        with pytest.raises(rewrapping.StillInUse, match="seals new data"):
            await rewrapping.retire(source, database, [tenant_id], "old")
        new = await rewrapping.add(source, ring)
        await rewrapping.promote(source, ring, new.id)
        with pytest.raises(rewrapping.StillInUse, match=r"keys of subjects, 3 stored answers are still sealed by old"):
            await rewrapping.retire(source, database, [tenant_id], "old")
        with pytest.raises(rewrapping.NoSuchKey):
            await rewrapping.retire(source, database, [tenant_id], "another")
        await rewrapping.rewrap(database, [tenant_id], say=silent)
        assert sum((await rewrapping.count_under(database, OLD)).values()) == 0
        await rewrapping.retire(source, database, [tenant_id], "old")
        assert source.keys == [new]


async def test_wrapping_anew_that_was_cut_off_goes_on_where_it_stopped(urls, monkeypatch):
    source = Kept(OLD)
    monkeypatch.setattr(rewrapping, "BATCH_MAX", 3)
    async with a_process(urls, source) as database:
        tenant_id = await furnished(database)
        before = sum((await rewrapping.count_under(database, OLD)).values())
        ring = rewrapping.database_ring(database)
        new = await rewrapping.add(source, ring)
        await rewrapping.promote(source, ring, new.id)
        work, steps = Database.run, 0

        async def dies_at_the_third(self, *args, **more):
            nonlocal steps
            steps += 1
            if steps == 3:
                raise ConnectionResetError("kill -9")
            return await work(self, *args, **more)

        monkeypatch.setattr(Database, "run", dies_at_the_third)
        with pytest.raises(ConnectionResetError):
            await rewrapping.rewrap(database, [tenant_id], say=silent)
        left = sum((await rewrapping.count_under(database, OLD)).values())
        assert 0 < left < before
        assert await rewrapping.rewrap(database, [tenant_id], say=silent) == left
        await everything_opens(database, tenant_id)


@pytest.fixture
async def unshared(cluster, worker_id):
    """A database that nobody else is connected to: only such a one can be copied."""
    async with new_database(cluster, f"guilder_{worker_id}_copied") as urls:
        yield urls


@pytest.mark.shows("fault J4")
async def test_a_backup_opens_with_the_ring_of_its_day_and_not_with_the_new_one(unshared, cluster):
    source = Kept(OLD)
    async with a_process(unshared, source) as database:
        tenant_id = await furnished(database)
    copy = f"{unshared.name}_backup"
    async with connected(cluster.admin) as admin:
        await admin.execute(f'drop database if exists "{copy}" with (force)')
        await admin.execute(f'create database "{copy}" template "{unshared.name}" owner guilder_owner')
    try:
        async with a_process(unshared, source) as database:
            ring = rewrapping.database_ring(database)
            new = await rewrapping.add(source, ring)
            await rewrapping.promote(source, ring, new.id)
            await rewrapping.rewrap(database, [tenant_id], say=silent)
            await rewrapping.retire(source, database, [tenant_id], "old")
        async with a_process(named(cluster, copy), Kept(OLD)) as restored:
            await everything_opens(restored, tenant_id)
        async with (
            a_process(named(cluster, copy), source) as without_it,
            without_it.transaction([tenant_id], actor="test") as tx,
        ):
            with pytest.raises(UnknownKey, match="old"):
                await identity.members(tx)
    finally:
        async with connected(cluster.admin) as admin:
            await admin.execute(f'drop database if exists "{copy}" with (force)')


@pytest.fixture(scope="module")
def kms_client():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield boto3.client(
        "kms",
        region_name="eu-central-1",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    server.stop()


@pytest.fixture
def arn(kms_client) -> str:
    return kms_client.create_key()["KeyMetadata"]["Arn"]


@pytest.mark.shows("ASVS 13.3.1", "ASVS 11.3.3")
async def test_a_kms_wraps_the_master_keys_and_its_ring_is_changed_like_any_other(urls, kms_client, arn):
    source = masters.Wrapped(AwsKms(arn, client=kms_client), database_url=urls.app)
    async with a_process(urls, source) as database:
        [first] = await source.load()
        tenant_id = await furnished(database)
        ring = rewrapping.database_ring(database)
        new = await rewrapping.add(source, ring)
        await rewrapping.promote(source, ring, new.id)
        await rewrapping.rewrap(database, [tenant_id], say=silent)
        await rewrapping.retire(source, database, [tenant_id], first.id)
        await everything_opens(database, tenant_id)
    async with connected(urls.admin) as admin:
        [row] = await admin.fetch("select * from platform.master_keys")
        assert (row["id"], row["place"]) == (new.id, 1)
        assert new.secret not in row["wrapped"]
    # Another process, with nothing but the KMS and the database.
    async with a_process(urls, masters.Wrapped(AwsKms(arn, client=kms_client), database_url=urls.app)) as fresh:
        await everything_opens(fresh, tenant_id)


async def test_processes_that_start_together_on_an_empty_table_agree_on_one_first_key(urls, kms_client, arn):
    sources = [masters.Wrapped(AwsKms(arn, client=kms_client), database_url=urls.app) for _ in range(5)]
    rings = await asyncio.gather(*(source.load() for source in sources))
    assert len({written(keys) for keys in rings}) == 1


async def test_a_key_that_the_kms_will_not_unwrap_is_told_by_its_setting(urls, kms_client, arn):
    await masters.Wrapped(AwsKms(arn, client=kms_client), database_url=urls.app).load()
    async with connected(urls.admin) as admin:
        await admin.execute("update platform.master_keys set id = 'another'")
    with pytest.raises(
        masters.KeysUnreadable, match=r"GUILDER_MASTER_KEY: AWS KMS refused to decrypt with arn:aws:kms"
    ):
        await masters.Wrapped(AwsKms(arn, client=kms_client), database_url=urls.app).load()


async def test_a_ring_is_asked_of_no_kms_that_is_not_there(urls, arn):
    client = boto3.client(
        "kms", region_name="eu-central-1", endpoint_url="http://127.0.0.1:9", aws_access_key_id="x", aws_secret_access_key="y",
        config=boto3.session.Config(retries={"max_attempts": 0}, connect_timeout=1),
    )  # fmt: skip
    with pytest.raises(masters.KeysUnreadable, match="EndpointConnectionError"):
        await masters.opened(masters.Wrapped(AwsKms(arn, client=client), database_url=urls.app))
