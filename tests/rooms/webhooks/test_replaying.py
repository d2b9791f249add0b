"""A replay …"""

from datetime import timedelta

import pytest

from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.model import Replay, Status
from guilder.domain.webhooks.service import replaying
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.noun import replace
from tests.support.builders.identity import NOW
from tests.support.receiver import answering


async def replayed(ground, endpoint, **over):
    wanted = Replay(**{"since": NOW, "until": NOW + timedelta(days=30), **over})
    async with ground.tx() as tx:
        sent = await webhooks.replay_range(tx, endpoint_id=endpoint.id, wanted=wanted, now=ground.clock.now())
    await ground.send()
    return len(sent)


@pytest.mark.shows("SW replay")
async def test_of_a_range_sends_again_what_happened_in_it_under_the_old_ids(ground):
    endpoint, _ = await ground.an_endpoint()
    events = []
    for _ in range(4):
        events.append(ground.an_event())
        await ground.told(events[-1])
        await ground.later(hours=1)
    sent = [each.id for each in ground.receiver.got]
    assert await replayed(ground, endpoint, since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3)) == 2
    assert sorted(each.id for each in ground.receiver.got[4:]) == sorted(sent[1:3])
    assert [each.attempts for each in await ground.deliveries(endpoint)] == [1, 2, 2, 1]


@pytest.mark.parametrize("only_failed", [False, True])
async def test_of_more_than_is_taken_at_once_goes_on_where_it_stopped(ground, monkeypatch, only_failed):
    monkeypatch.setattr(replaying, "REPLAY_MAX", 2)
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500 if only_failed else 200))
    for _ in range(5):
        await ground.told(ground.an_event())
    wanted = Replay(since=NOW, until=NOW + timedelta(days=1), only_failed=only_failed)
    for count in (2, 2, 1, 0):
        async with ground.tx() as tx:
            sent = await webhooks.replay_range(tx, endpoint_id=endpoint.id, wanted=wanted, now=NOW)
        await ground.send()
        assert len(sent) == count
        wanted = replace(wanted, after=sent[-1].id if sent else None)
    assert [each.attempts for each in await ground.deliveries(endpoint)] == [2] * 5


async def test_of_what_failed_leaves_what_arrived(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(200), answering(410))
    await ground.told(ground.an_event())
    await ground.told(ground.an_event(), ground.an_event())
    async with ground.tx() as tx:
        await webhooks.enable(tx, endpoint_id=endpoint.id, now=NOW)
    ground.receiver.says(answering(200))
    assert await replayed(ground, endpoint, only_failed=True) == 2
    assert [each.status for each in await ground.deliveries(endpoint)] == [Status.DELIVERED] * 3
    assert len(ground.receiver.got) == 4
    assert await replayed(ground, endpoint, only_failed=True) == 0


async def test_of_some_events_sends_only_those(ground):
    endpoint, _ = await ground.an_endpoint()
    await ground.told(ground.an_event())
    async with ground.tx() as tx:
        await webhooks.ping(tx, endpoint_id=endpoint.id, now=NOW)
    await ground.send()
    assert await replayed(ground, endpoint, events=("webhooks.*",)) == 1
    assert await replayed(ground, endpoint, events=("notifications.notification.sent",)) == 1
    assert await replayed(ground, endpoint, events=("invoicing.*",)) == 0
    assert [each.said["type"] for each in ground.receiver.got[2:]] == [
        "webhooks.ping",
        "notifications.notification.sent",
    ]


async def test_of_a_dead_message_gives_it_its_whole_schedule_again(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500))
    await ground.told(ground.an_event())
    for _ in range(9):
        [delivery] = await ground.deliveries(endpoint)
        await ground.later(seconds=(delivery.due_at - ground.clock.now()).total_seconds())
    [delivery] = await ground.deliveries(endpoint)
    assert delivery.status is Status.DEAD
    async with ground.tx() as tx:
        again = await webhooks.replay(tx, message_id=delivery.id, now=ground.clock.now())
    assert (again.status, again.tries, again.is_out) == (Status.PENDING, 0, True)
    await ground.send()
    ground.receiver.says(answering(200))
    await ground.later(seconds=6)
    [delivery] = await ground.deliveries(endpoint)
    assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 12)


async def test_of_what_is_under_way_changes_nothing(ground):
    endpoint, _ = await ground.an_endpoint()
    await ground.hear(ground.an_event(), ground.an_event())
    first, second = await ground.deliveries(endpoint)
    async with ground.tx() as tx:
        for each in (first, second, first):
            await webhooks.replay(tx, message_id=each.id, now=NOW)
    await ground.send()
    assert [each.id for each in ground.receiver.got] == [ids.to_text("msg", each.id) for each in (first, second)]


async def test_to_a_disabled_endpoint_is_refused(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(410))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    async with ground.tx() as tx:
        for ask in (
            webhooks.replay(tx, message_id=delivery.id, now=NOW),
            webhooks.ping(tx, endpoint_id=endpoint.id, now=NOW),
            webhooks.replay_range(tx, endpoint_id=endpoint.id, wanted=Replay(since=NOW, until=NOW), now=NOW),
        ):
            with pytest.raises(webhooks.EndpointDisabled):
                await ask


@pytest.mark.shows("I28")
async def test_of_another_tenants_message_finds_nothing(make_ground):
    mine, theirs = await make_ground(), await make_ground()
    endpoint, _ = await theirs.an_endpoint()
    await theirs.told(theirs.an_event())
    [delivery] = await theirs.deliveries(endpoint)
    async with mine.tx() as tx:
        for ask in (
            webhooks.replay(tx, message_id=delivery.id, now=NOW),
            webhooks.delivery(tx, message_id=delivery.id),
            webhooks.replay_range(tx, endpoint_id=endpoint.id, wanted=Replay(since=NOW, until=NOW), now=NOW),
            webhooks.rotate(tx, endpoint_id=endpoint.id, now=NOW),
            webhooks.delete(tx, endpoint_id=endpoint.id, now=NOW),
        ):
            with pytest.raises(NotFound):
                await ask
    assert len(theirs.receiver.got) == 1
