"""What only Kafka can do to the log: records twice, out of thin air, or none; relays and consumers that come and go."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import suppress
from secrets import token_bytes
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from guilder.kernel import ids
from guilder.platform import metrics
from guilder.platform.bus import groups, store
from guilder.platform.bus.kafka import record
from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.record import Hint, Record
from guilder.platform.bus.kafka.relay import Relay
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import BrokerAway, Topics
from guilder.platform.bus.kafka.watching import Watch
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from tests.contracts.kafka_ground import a_relay, delete, everything, first_times
from tests.contracts.kafka_process import LEASE_S
from tests.contracts.kafka_site import LIMIT_S, TOPIC, Site, a_site, in_the_log, running
from tests.contracts.log_toys import EMPTY, SCHEMA, Counted
from tests.rooms.platform.ground import NOW, platform_database, some_ids
from tests.support.database import DatabaseUrls
from tests.support.kafka import Broker
from tests.support.ports import free_port

pytestmark = pytest.mark.needs_kafka


_KEPT = ("log", "log_heads", "log_extents", "log_groups", "log_cursors", "log_parked")
_TABLES = [*(f"platform.{each}" for each in _KEPT), "toy.things", "toy.heard"]
BACKED_UP = "; ".join(["create temporary table drawn as select last_value from platform.log_ids"] + [
    f"create temporary table {each.replace('.', '_')} as table {each}" for each in _TABLES
])  # fmt: skip
RESTORED = "; ".join([f"truncate {', '.join(_TABLES)}", "select setval('platform.log_ids', last_value) from drawn"] + [
    f"insert into {each} select * from {each.replace('.', '_')}" for each in _TABLES
])  # fmt: skip


@pytest.fixture(scope="module")
async def urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_kafka_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def site(urls: DatabaseUrls, kafka_broker: Broker) -> AsyncIterator[Site]:
    async with a_site(urls, kafka_broker.servers) as site:
        yield site


def found_by(source: str) -> float:
    return metrics.registry.get_sample_value("guilder_transport_rows_total", {"source": source}) or 0


# The relay.


async def test_a_record_is_a_cloudevent_with_its_place_in_the_log(site: Site) -> None:
    thing = ids.new(NOW)
    await site.count(thing)
    await site.sequence()
    assert await site.relay.drain() == 1
    ((partition, position, value),) = everything(site.connection, TOPIC)
    event = msgspec.json.decode(value)
    (row,) = await site.admin.fetch("select * from platform.log")
    assert (partition, position) == (row["partition"], 1)
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", str(row["event_id"]), "toy.counted")
    assert (event["partitionkey"], event["tenant"], event["data"]["n"]) == (str(thing), str(site.tenant), 1)


async def test_a_topic_is_made_with_the_logs_partitions_and_forgets_when_the_log_does(site: Site) -> None:
    client = AdminClient(site.connection.client())
    name = site.connection.topic(TOPIC)
    client.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    await site.count(ids.new(NOW))
    await site.count(ids.new(NOW), event=another_topic())
    async with running(site.relay, Sequencer(site.database)):
        await site.all_relayed()
    there = client.list_topics(timeout=10).topics
    other = site.connection.topic("toy.others")
    assert (len(there[name].partitions), len(there[other].partitions)) == (16, 16)
    resource = ConfigResource(ConfigResource.Type.TOPIC, other)
    said = client.describe_configs([resource])[resource].result(10)
    assert (said["cleanup.policy"].value, said["retention.ms"].value) == ("delete", "86400000")


def another_topic() -> type[Any]:
    return type("Other", (Counted,), {"__slots__": (), "name": "toy.other", "topic": "toy.others"})


async def test_what_only_the_audit_hears_leaves_without_its_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PRIVATE_TOPICS", (TOPIC,))
    await site.count(ids.new(NOW))
    await site.sequence()
    await site.relay.drain()
    assert [value for _, _, value in everything(site.connection, TOPIC)] == [None]


async def test_what_is_larger_than_brokers_take_leaves_without_its_words(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "VALUE_MAX", 10)
    await site.count(ids.new(NOW))
    await site.sequence()
    await site.relay.drain()
    assert [value for _, _, value in everything(site.connection, TOPIC)] == [None]


async def test_what_is_as_large_as_it_may_be_is_taken_by_client_and_broker(site: Site) -> None:
    # What they refuse would be refused again and again, and nothing behind it would ever leave.
    headers = [(record.EPOCH, b"9" * 10), (record.POSITION, b"9" * 19), (record.REF, b"9" * 67)]
    largest = Record(TOPIC, 0, str(ids.new(NOW)).encode(), token_bytes(record.VALUE_MAX), headers)
    sender = Sender(site.connection, Topics(site.connection, partitions=1, days_kept=1))
    try:
        await sender.send([largest])
    finally:
        await sender.close()
    assert [value for _, _, value in everything(site.connection, TOPIC)] == [largest.value]


async def test_relays_share_the_work_and_each_row_comes_in_its_place(site: Site) -> None:
    others = [a_relay(site.database, site.connection, rows_max=7) for _ in range(2)]
    async with running(site.relay, *others, Sequencer(site.database)):
        await site.write_for_a_while(writers=6, each=20)
        await site.sequence()
        await site.all_relayed()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    for each in others:
        await each.close()


async def test_a_relay_that_dies_between_sending_and_passing_sends_twice(site: Site) -> None:
    things = some_ids(20)
    for thing in things:
        await site.count(thing)
    await site.sequence()

    class Dying(Relay):
        async def _pass(self, *_: Any) -> int:
            raise ConnectionError("killed")

    dying = Dying(site.database, site.relay._sender, WallClock(), lease_s=0.01)
    with pytest.raises(ConnectionError):
        await dying.drain()
    await asyncio.sleep(0.05)
    await site.relay.drain()
    records = everything(site.connection, TOPIC)
    assert len(records) > len(things)
    assert first_times(records) == await in_the_log(site)
    async with running(site.consumer(), site.relay):
        await site.all_heard()
    assert await site.parked() == []


async def test_another_takes_over_from_a_relay_that_is_killed(site: Site, urls: DatabaseUrls) -> None:
    things = some_ids(10)
    told = (urls.app, site.connection.servers, site.connection.prefix)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contracts.kafka_process", *told, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"relaying\n"
        writing = asyncio.create_task(site.write_for_a_while(writers=4, each=25))
        async with running(Sequencer(site.database)):
            async with asyncio.timeout(LIMIT_S):
                while not await site.admin.fetchval(
                    "select count(*) from platform.log_cursors where group_name = 'relay' and position > 0"
                ):
                    await asyncio.sleep(0.01)
            process.kill()
            await writing
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await site.count(things[0])
    await site.sequence()
    await asyncio.sleep(LEASE_S)
    async with running(site.relay):
        await site.all_relayed()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)


async def test_the_relays_place_holds_back_retention_but_no_sandboxs_rest(site: Site) -> None:
    await site.relay.register()
    await site.count(ids.new(NOW))
    await site.sequence()
    async with site.database.transaction({site.tenant}, actor="test") as tx:
        assert await groups.pending(tx, tenant_id=site.tenant) == 0
        assert [(lag.group, lag.behind) for lag in await groups.lag(tx)] == [("relay", 1)]
    day = await site.admin.fetchval("select max(day) from platform.log")
    assert await site.admin.fetchval("select platform.log_unread($1)", day)
    await site.relay.drain()
    assert not await site.admin.fetchval("select platform.log_unread($1)", day)


# What is heard.


async def test_rows_are_found_by_what_the_records_told(site: Site) -> None:
    before = found_by("broker")
    (thing,) = some_ids(1)
    async with running(site.consumer(), site.relay, Sequencer(site.database)):
        async with asyncio.timeout(LIMIT_S):
            while found_by("broker") == before:  # until then the group was gathering, and the log was looked into
                await site.count(thing)
                await asyncio.sleep(0.05)
        await site.all_heard()


async def test_what_no_record_tells_of_is_heard_all_the_same(site: Site) -> None:
    (thing,) = some_ids(1)
    async with running(site.consumer(), Sequencer(site.database)):
        for _ in range(5):
            await site.count(thing)
        await site.all_heard()


async def test_a_forged_record_changes_nothing(site: Site) -> None:
    first, other = some_ids(2)
    for thing in (first, other, first):
        await site.count(thing)
    await site.sequence()
    rows_ = await site.admin.fetch("select * from platform.log order by id")
    consumer = site.consumer()
    await consumer.register()
    # They tell of a row's place that is another's: of another key, of a position to come, of a tenant who is not there.
    hints = [
        Hint(1, row["partition"], store.Ref(TOPIC, row["position"], tenant, wrong["day"], wrong["id"]))
        for row, wrong in zip(rows_, [rows_[1], rows_[2], rows_[0]], strict=True)
        for tenant in (site.tenant, ids.new(NOW))
    ]
    for hint in hints:
        site.transport._hints.add([hint])
        for partition in {row["partition"] for row in rows_}:
            await consumer.step("listeners", partition)
    await consumer.drain()
    assert (await site.heard(), await site.parked()) == (await site.counts(), [])


async def test_records_of_another_life_of_the_log_are_passed_by(site: Site) -> None:
    (thing,) = some_ids(1)
    await site.count(thing, 3)
    await site.sequence()
    await site.relay.drain()
    await site.admin.execute(EMPTY + "; update platform.log_epoch set epoch = 2")
    await site.count(thing, 2)
    site.relay._registered = False
    async with running(site.consumer(), site.relay, Sequencer(site.database)):
        await site.all_heard()
        await site.all_relayed()
    assert await site.heard() == {thing: [1, 2]}


async def test_after_a_restore_nothing_of_the_lost_life_is_heard_and_nothing_of_the_new_one_missed(site: Site) -> None:
    """The topics, and how far their groups came, are of the life that was lost: the same positions tell of other rows."""
    things = some_ids(6)
    for thing in things:
        await site.count(thing, 3)
    async with running(site.consumer(), site.relay, Sequencer(site.database)):
        await site.all_heard()
        await site.all_relayed()
    await site.count(things[0], 2)
    await site.sequence()  # stands in the backup, carried and heard by nobody
    await site.admin.execute(BACKED_UP)
    for thing in things:
        await site.count(thing, 5)
    async with running(site.consumer(), site.relay, Sequencer(site.database)):
        await site.all_heard()
        await site.all_relayed()
    lost = {row[0] for row in await site.admin.fetch("select event_id from toy.heard")}

    await site.admin.execute(RESTORED)
    lost -= {row[0] for row in await site.admin.fetch("select event_id from platform.log")}
    async with site.database.transaction(actor="test") as tx:
        assert await groups.begin_epoch(tx, with_cursors=True) == 2
    for thing in things:
        await site.count(thing, 4)
    relay = a_relay(site.database, site.connection)
    async with running(site.consumer(), relay, Sequencer(site.database)):
        await site.all_heard()
        await site.all_relayed()
    await relay.close()

    assert await site.heard() == await site.counts()
    heard = [row[0] for row in await site.admin.fetch("select event_id from toy.heard")]
    assert len(lost) == 6 * 5
    assert not lost & set(heard)
    assert len(heard) == len(set(heard)) == 6 * 3 + 2 + 6 * 4
    # Both lives are in the topic; whoever reads there from outside tells them apart by their epochs.
    assert len(everything(site.connection, TOPIC)) == 6 * 3 + 2 + 6 * 5 + 2 + 6 * 4


@pytest.mark.slow
async def test_a_topic_that_is_deleted_is_made_again_and_filled_by_command(site: Site) -> None:
    things = some_ids(12)
    relay = a_relay(site.database, site.connection, delivery_s=2, lease_s=3)
    async with running(site.consumer(), relay, Sequencer(site.database)):
        for thing in things[:6]:
            await site.count(thing)
        await site.all_heard()
        await site.all_relayed()
        delete(site.connection, TOPIC)
        for thing in things[6:]:
            await site.count(thing)
        await site.all_heard()
        assert await site.rewind() > 0
        await site.all_relayed()
    await relay.close()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    assert await site.heard() == await site.counts()


async def test_consumers_that_come_and_go_have_one_effect(site: Site) -> None:
    before = rebalances()
    writing = asyncio.create_task(site.write_for_a_while(writers=4, each=40))
    async with running(site.relay, Sequencer(site.database), site.consumer(batch_max=7)):
        for _ in range(2):
            async with running(site.consumer(batch_max=7)):
                await asyncio.sleep(1.0)
        await writing
        await site.all_heard()
    assert await site.parked() == []
    assert rebalances() > before


def rebalances() -> float:
    return sum(
        metrics.registry.get_sample_value("guilder_kafka_rebalances_total", {"group": "listeners", "what": what}) or 0
        for what in ("assigned", "revoked", "lost")
    )


# The brokers.


@pytest.mark.shows("fault D3")
async def test_while_the_broker_does_not_answer_everything_goes_on_and_then_drains_in_order(
    site: Site, kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = a_relay(site.database, site.connection, delivery_s=1.5, lease_s=2)
    things = some_ids(8)
    await site.count(things[0])
    await site.sequence()
    await relay.drain()
    async with running(site.consumer(), relay, Sequencer(site.database)):
        kafka_broker.freeze()
        try:
            for thing in things:
                await site.count(thing, 3)
            await site.all_heard()
            with pytest.raises(BrokerAway):
                await relay._sender.send([Record(TOPIC, 0, b"", b"", [])])
            assert await site.admin.fetchval("select platform.log_pending_relay()") > 0
        finally:
            kafka_broker.thaw()
        await site.all_relayed()
    await relay.close()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)


async def test_nobody_waits_for_ever_where_there_is_no_broker(site: Site) -> None:
    nowhere = Connection("127.0.0.1:9", prefix="nowhere.")
    relay = a_relay(site.database, nowhere, delivery_s=1)
    consumer = site.consumer()
    site.transport._connection = nowhere
    await site.count(ids.new(NOW))
    async with running(consumer, relay, Sequencer(site.database)):
        await site.all_heard()
    await relay.close()
    errors = [
        sample
        for metric in metrics.registry.collect()
        if metric.name == "guilder_kafka_errors"
        for sample in metric.samples
    ]
    assert errors, "somebody must be told"


async def test_that_no_broker_answers_is_said_and_that_one_does_again(kafka_broker: Broker) -> None:
    away, there = Connection(f"127.0.0.1:{free_port()}"), Connection(kafka_broker.servers)
    watch = Watch(away, answer_s=0.5)
    assert watch.trouble() is None  # nobody has asked yet
    assert "does not answer" in (await watch.look() or "")
    watch = Watch(there, answer_s=20)
    assert await watch.look() is None
    assert watch.trouble() is None
