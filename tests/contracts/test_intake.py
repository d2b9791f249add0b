"""Other systems publish to topics of their own: what can be taken in is, once; what cannot stops nobody."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncpg import DeadlockDetectedError
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from guilder.domain.identity import service as identity
from guilder.platform.bus.kafka.intake import BODY_MAX, TRIES_MAX, Intake
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import Topics
from guilder.platform.clock import WallClock
from guilder.platform.db.database import DatabaseGone
from guilder.wiring import intake as wiring
from guilder.wiring import topics
from tests.contracts.kafka_ground import connected_to
from tests.support.builders.orders import a_shop
from tests.support.database import DatabaseUrls
from tests.support.ground import database_with_vault
from tests.support.kafka import Broker

pytestmark = pytest.mark.needs_kafka
LIMIT_S = 60


class Post:
    """A product that publishes, the intake, and whoever reads what was refused."""

    def __init__(self, broker: Broker) -> None:
        self.connection = connected_to(broker.servers)
        self.client = AdminClient(self.connection.client())
        self.taken: list[tuple[str, bytes]] = []
        self.troubles: list[Exception] = []

    def open(self, tenant: str) -> None:
        names = [self.connection.topic(f"charges.{kind}.{tenant}") for kind in ("requests", "refused")]
        for future in self.client.create_topics([NewTopic(name, 1, 1) for name in names]).values():
            future.result(10)

    def publish(self, tenant: str, *bodies: bytes, **headers: str) -> None:
        producer = Producer(self.connection.client())
        for body in bodies:
            producer.produce(
                self.connection.topic(f"charges.requests.{tenant}"), body, headers=[*headers.items()] or None
            )
        assert producer.flush(20) == 0

    async def take(self, tenant: str, bodies: Sequence[bytes]) -> list[str | None]:
        """A verb that takes everything but what says that it is bad, and all of a batch or none."""
        if self.troubles:
            raise self.troubles.pop()
        if b"poison" in bodies:
            raise ValueError("cannot be taken")
        self.taken += [(tenant, body) for body in bodies if body != b"bad"]
        return ["bad" if body == b"bad" else None for body in bodies]

    @asynccontextmanager
    async def taking(self, take: Any = None) -> AsyncIterator[None]:
        stop = asyncio.Event()
        sender = Sender(self.connection, Topics(self.connection, partitions=1, days_kept=1))
        intake = Intake(self.connection, sender, take or self.take, name=topics.CHARGES, dead=topics.REFUSED)
        running = asyncio.create_task(intake.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running
            await intake.close()

    async def refused(self, tenant: str, count: int) -> list[tuple[str, bytes | None]]:
        """Wait for this many dead letters; return their reasons and what was left of them."""
        consumer = Consumer(self.connection.client(group_id="reader", enable_auto_commit=False))
        consumer.assign([TopicPartition(self.connection.topic(f"charges.refused.{tenant}"), 0, OFFSET_BEGINNING)])
        found = []
        try:
            async with asyncio.timeout(LIMIT_S):
                while len(found) < count:
                    for each in await asyncio.to_thread(consumer.consume, count, 0.2):
                        if each.error() is None:
                            found.append((dict(each.headers())["guilder-reason"].decode(), each.value()))
        finally:
            consumer.close()
        return found

    async def has_taken(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.taken) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
def post(kafka_broker: Broker) -> Post:
    return Post(kafka_broker)


async def test_takes_each_tenants_records_in_their_order(post: Post) -> None:
    for tenant in ("acme", "globex"):
        post.open(tenant)
        post.publish(tenant, *(f"{tenant} {n}".encode() for n in range(20)))
    async with post.taking():
        await post.has_taken(40)
    for tenant in ("acme", "globex"):
        assert [body for whose, body in post.taken if whose == tenant] == [f"{tenant} {n}".encode() for n in range(20)]


@pytest.mark.shows("fault D9")
async def test_what_cannot_be_taken_is_a_dead_letter_and_the_partition_goes_on(post: Post) -> None:
    post.open("acme")
    large, card = b"x" * (BODY_MAX + 1), b"bad 4111 1111 1111 1111"

    async def take(tenant: str, bodies: Sequence[bytes]) -> list[str | None]:
        said = await post.take(tenant, bodies)
        return ["card_number_refused" if body == card else why for body, why in zip(bodies, said, strict=True)]

    post.publish("acme", b"one", b"bad", b"poison", large, card, b"two")
    async with post.taking(take):
        found = await post.refused("acme", 4)
        await post.has_taken(2)
    assert sorted(found, key=str) == sorted(
        [("bad", b"bad"), ("failed: ValueError", b"poison"), ("too_large", None), ("card_number_refused", None)],
        key=str,
    )
    assert [body for _, body in post.taken if body in {b"one", b"two"}] == [b"one", b"two"]


async def test_waits_for_the_database_and_loses_nothing(post: Post) -> None:
    post.open("acme")
    post.troubles = [DatabaseGone("away"), ConnectionError("away")]
    post.publish("acme", b"one", b"two")
    async with post.taking():
        await post.has_taken(2)
    assert [body for _, body in post.taken] == [b"one", b"two"]


async def test_a_record_that_always_clashes_with_others_waits_and_is_no_dead_letter(post: Post) -> None:
    post.open("acme")
    post.troubles = [DeadlockDetectedError("another was first") for _ in range(TRIES_MAX + 1)]
    post.publish("acme", b"one")
    async with post.taking():
        await post.has_taken(1)
    assert [body for _, body in post.taken] == [b"one"]


async def test_what_was_taken_before_the_end_is_not_taken_again_after_it(post: Post) -> None:
    post.open("acme")
    for body in (b"one", b"two"):
        post.publish("acme", body)
        async with post.taking():
            await post.has_taken(len(post.taken) + 1)
    assert [body for _, body in post.taken] == [b"one", b"two"]


async def test_attributes_may_stand_in_the_headers(post: Post) -> None:
    post.open("acme")
    post.publish("acme", b'{"amount": 1}', ce_specversion="1.0", ce_id="7", ce_source="studio", ce_type="t")
    async with post.taking():
        await post.has_taken(1)
    assert json.loads(post.taken[0][1]) == {
        "specversion": "1.0", "id": "7", "source": "studio", "type": "t", "data": {"amount": 1},
    }  # fmt: skip


async def test_a_charge_that_is_published_twice_is_one_charge(
    post: Post, database_urls: DatabaseUrls, clean: None
) -> None:
    async with database_with_vault(database_urls) as database:
        shop = await a_shop(database)
        slug, customer = shop.tenant.slug, await shop.customer()
        post.open(slug)
        event = an_event(customer.organization_id)
        other = an_event(customer.organization_id, amount=99)
        post.publish(slug, *(json.dumps(each).encode() for each in (event, event, other)), b"{}", b"no json")
        post.publish(slug, json.dumps(event).encode())
        async with post.taking(wiring.charges(database, identity.Clocks(WallClock()))):
            found = await post.refused(slug, 3)
        async with database.transaction([shop.tenant.tenant_id], actor="test") as tx:
            rows = await tx.fetch("select source, source_id, amount_minor from orders.charges")
            asked = await tx.fetch("select * from platform.log where topic = 'charges.requests'")
    assert [tuple(row) for row in rows] == [("studio", "job-1", 1250)]
    assert len(asked) == 1
    assert sorted(why for why, _ in found) == ["charge_id_reused", "malformed_json", "missing: specversion"]


async def test_a_topic_of_nobody_is_refused(post: Post, database_urls: DatabaseUrls, clean: None) -> None:
    post.open("nobody")
    post.publish("nobody", json.dumps(an_event("acme")).encode())
    async with (
        database_with_vault(database_urls) as database,
        post.taking(wiring.charges(database, identity.Clocks(WallClock()))),
    ):
        assert [why for why, _ in await post.refused("nobody", 1)] == ["no_such_tenant"]


def an_event(customer: str, *, amount: int = 1250) -> dict[str, Any]:
    data = {"customer": customer, "amount": amount, "currency": "EUR", "description": "Rendering"}
    return {"specversion": "1.0", "id": "job-1", "source": "studio", "type": "orders.charge.requested", "data": data}
