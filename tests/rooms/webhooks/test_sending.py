"""A message …"""

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from guilder.domain.identity import service as identity
from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.model import Reason, Status
from guilder.domain.webhooks.rules import schedule
from tests.support.builders.identity import NOW
from tests.support.database import connected
from tests.support.receiver import answering, hanging_up


@pytest.mark.shows("SW reference", "SW headers", "SW signature", "fault H4", "ASVS 4.1.5")
async def test_verifies_with_the_reference_library(ground):
    _, secret = await ground.an_endpoint()
    event = ground.an_event()
    await ground.told(event)
    [got] = ground.receiver.got
    said = Webhook(secret).verify(got.body, got.headers)
    assert said == {
        "type": "notifications.notification.sent",
        "timestamp": "2026-03-01T12:00:00Z",
        "event_id": str(event.id),
        "data": {
            "tenant_id": str(ground.tenant_id),
            "notification_id": str(event.event.notification_id),
            "customer_id": str(ground.customer.id),
            "channel": "email",
            "kind": "apology",
        },
    }
    assert got.id.startswith("msg_")
    assert got.headers["content-type"] == "application/json"


@pytest.mark.shows("SW secret", "fault H4")
async def test_of_one_endpoint_does_not_verify_with_the_secret_of_another(ground):
    (_, one), (_, two) = await ground.an_endpoint(path="/one"), await ground.an_endpoint(path="/two")
    await ground.told(ground.an_event())
    [got] = ground.receiver.at("/one")
    Webhook(one).verify(got.body, got.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(two).verify(got.body, got.headers)


@pytest.mark.shows("SW secret", "fault H4", "ASVS 13.3.4")
async def test_is_signed_by_both_secrets_for_a_day_after_a_rotation(ground):
    endpoint, old = await ground.an_endpoint()
    async with ground.tx() as tx:
        _, new = await webhooks.rotate(tx, endpoint_id=endpoint.id, now=NOW)
    await ground.told(ground.an_event())
    [got] = ground.receiver.got
    for secret in (old, new):
        Webhook(secret).verify(got.body, got.headers)
    assert len(got.headers["webhook-signature"].split()) == 2

    await ground.later(hours=24)
    await ground.told(ground.an_event())
    got = ground.receiver.got[-1]
    Webhook(new).verify(got.body, got.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(old).verify(got.body, got.headers)


async def test_is_signed_for_a_day_by_each_secret_that_was_rotated_out(ground):
    endpoint, oldest = await ground.an_endpoint()
    secrets = [oldest]
    for _ in range(2):
        async with ground.tx() as tx:
            secrets.append((await webhooks.rotate(tx, endpoint_id=endpoint.id, now=ground.clock.now()))[1])
        await ground.later(hours=10)
    for left in (secrets, secrets[1:], secrets[2:]):
        await ground.told(ground.an_event())
        got = ground.receiver.got[-1]
        assert len(got.headers["webhook-signature"].split()) == len(left)
        for secret in left:
            Webhook(secret).verify(got.body, got.headers)
        await ground.later(hours=10)
    for _ in range(12):
        async with ground.tx() as tx:
            await webhooks.rotate(tx, endpoint_id=endpoint.id, now=ground.clock.now())
    await ground.told(ground.an_event())
    assert len(ground.receiver.got[-1].headers["webhook-signature"].split()) == 10
    async with connected(ground.admin_url) as admin:
        sql = "select payload #>> '{after,sealed_older}' from platform.log where name = 'platform.row.changed'"
        told = {row[0] for row in await admin.fetch(f"{sql} and tenant_id = $1", ground.tenant_id)}
    assert told - {None} == {"sealed"}


@pytest.mark.shows("SW ids", "fault H4")
async def test_keeps_its_id_and_body_over_retries_and_is_signed_anew_each_time(ground):
    endpoint, secret = await ground.an_endpoint()
    ground.receiver.says(answering(500), answering(503), answering(204))
    await ground.told(ground.an_event())
    await asyncio.sleep(1.1)  # the signature is dated by whole seconds of the wall clock
    await ground.later(seconds=6)
    await ground.later(minutes=6)
    got = ground.receiver.got
    assert len(got) == 3
    assert {each.id for each in got} == {got[0].id}
    assert {each.body for each in got} == {got[0].body}
    assert got[0].headers["webhook-timestamp"] != got[1].headers["webhook-timestamp"]
    for each in got:
        Webhook(secret).verify(each.body, each.headers)
    [delivery] = await ground.deliveries(endpoint)
    assert (delivery.status, delivery.attempts, delivery.due_at) == (Status.DELIVERED, 3, None)
    assert [each.status for each in await ground.history(delivery)] == [500, 503, 204]


@pytest.mark.shows("SW schedule", "fault H3")
async def test_is_tried_ten_times_over_three_days_and_then_dead_and_to_be_seen(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500, b"x" * 10_000))
    await ground.told(ground.an_event())
    waits = []
    for _ in range(20):
        [delivery] = await ground.deliveries(endpoint)
        if delivery.due_at is None:
            break
        waits.append(delivery.due_at - ground.clock.now())
        assert await ground.later(seconds=waits[-1].total_seconds() - 1) == 0, "not before its time"
        assert await ground.later(seconds=1) == 1
    assert [abs(wait - said) <= said / 10 for wait, said in zip(waits, schedule.WAITS, strict=True)] == [True] * 9
    assert sum(schedule.WAITS, timedelta()) >= timedelta(hours=72)
    assert (delivery.status, delivery.attempts, delivery.reason) == (Status.DEAD, 10, "answered 500")
    history = await ground.history(delivery)
    assert {(each.status, len(each.answer)) for each in history} == {(500, 2_048)}
    assert len(ground.receiver.got) == 10


@pytest.mark.shows("SW answers")
@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
async def test_that_is_answered_anything_but_2xx_has_failed(ground, status):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(status, location=ground.receiver.url("/elsewhere")))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    assert (delivery.status, delivery.tries) == (Status.PENDING, 1)
    assert ground.receiver.at("/elsewhere") == [], "no redirect is followed"


@pytest.mark.shows("SW answers", "fault H3")
async def test_waits_as_long_as_the_receiver_asks_but_no_longer_than_a_day(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(429, retry_after="3600"), answering(503, retry_after="999999"))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    assert delivery.due_at == NOW + timedelta(hours=1)
    await ground.later(hours=1)
    [delivery] = await ground.deliveries(endpoint)
    assert delivery.due_at == ground.clock.now() + timedelta(hours=24)


@pytest.mark.shows("SW answers", "SW disabling", "fault H3")
async def test_answered_410_ends_the_endpoint_at_once_and_what_waited_there_can_be_replayed(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(410))
    await ground.told(ground.an_event(), ground.an_event(), ground.an_event(ground.other))
    health = await ground.health(endpoint)
    assert (health.disabled_at, health.disabled_reason) == (NOW, Reason.GONE)
    assert {each.status for each in await ground.deliveries(endpoint)} == {Status.DEAD}
    assert await ground.events() == ["webhooks.endpoint.created", "webhooks.endpoint.disabled"]
    sent = len(ground.receiver.got)
    await ground.told(ground.an_event())
    assert len(await ground.deliveries(endpoint)) == 3, "nothing more is meant for it"
    assert len(ground.receiver.got) == sent


@pytest.mark.shows("SW disabling")
async def test_after_five_days_of_nothing_but_failures_ends_the_endpoint(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500))
    await ground.told(ground.an_event())
    await ground.later(days=4, hours=23)
    await ground.told(ground.an_event())
    assert (await ground.health(endpoint)).is_active
    await ground.later(hours=2)
    health = await ground.health(endpoint)
    assert (health.disabled_reason, health.failing_since) == (Reason.FAILING, NOW)
    assert (await ground.events())[-1] == "webhooks.endpoint.disabled"


async def test_that_arrives_begins_the_count_of_failures_anew(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500), answering(200), answering(500))
    await ground.told(ground.an_event())
    assert ((await ground.health(endpoint)).failures, (await ground.health(endpoint)).failing_since) == (1, NOW)
    await ground.later(days=4)
    health = await ground.health(endpoint)
    assert (health.failures, health.failing_since, health.last_success_at) == (0, None, ground.clock.now())
    await ground.later(days=4)
    await ground.told(ground.an_event())
    assert (await ground.health(endpoint)).failing_since == ground.clock.now()


async def test_delivered_once_stays_delivered_whatever_a_replay_comes_to(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(200), answering(500))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    async with ground.tx() as tx:
        await webhooks.replay(tx, message_id=delivery.id, now=ground.clock.now())
    await ground.send()
    for _ in range(schedule.ATTEMPTS_MAX):
        [delivery] = await ground.deliveries(endpoint)
        assert delivery.status is Status.DELIVERED
        await ground.later(seconds=(delivery.due_at - ground.clock.now()).total_seconds() if delivery.due_at else 0)
    assert (delivery.due_at, delivery.attempts) == (None, 1 + schedule.ATTEMPTS_MAX)
    async with connected(ground.admin_url) as admin:
        with pytest.raises(Exception, match="was delivered, and stays so"):
            await admin.execute("update webhooks.messages set status = 'pending', ended_at = null")


async def test_of_a_customer_waits_for_the_first_attempt_at_the_one_before_and_for_no_retry(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.gate = asyncio.Event()
    ground.receiver.says(answering(500), answering(200))
    events = [ground.an_event() for _ in range(4)]
    others = [ground.an_event(ground.other) for _ in range(2)]
    await ground.hear(*events[:2], *others)
    sending = asyncio.create_task(ground.send())
    async with asyncio.timeout(60):
        while len(ground.receiver.got) < 2:
            await asyncio.sleep(0.01)
    await ground.hear(*events[2:])
    await asyncio.sleep(0.3)
    under_way = {each.said["event_id"] for each in ground.receiver.got}
    assert under_way == {str(events[0].id), str(others[0].id)}, "the first of each customer, and no more"
    ground.receiver.gate.set()
    await sending
    await ground.send()
    order = [each.said["event_id"] for each in ground.receiver.got]
    assert [each for each in order if each in {str(e.id) for e in events}] == [str(each.id) for each in events]
    assert [each for each in order if each in {str(e.id) for e in others}] == [str(each.id) for each in others]
    assert sorted(each.status for each in await ground.deliveries(endpoint)) == ["delivered"] * 5 + ["pending"]


@pytest.mark.shows("fault H3", "ASVS 15.2.2")
async def test_to_a_dead_endpoint_delays_no_other(make_ground):
    ground = await make_ground(timeout_s=60.0)
    dead, _ = await ground.an_endpoint(path="/dead")
    live, _ = await ground.an_endpoint(path="/live")
    ground.receiver.says(_silent, path="/dead")
    events = [ground.an_event(each) for _ in range(20) for each in (ground.customer, ground.other)]
    await ground.hear(*events)
    stop = asyncio.Event()
    working = asyncio.create_task(ground.runner.run(stop, grace_s=0.1))
    async with asyncio.timeout(90):
        while len(ground.receiver.at("/live")) < len(events):
            await asyncio.sleep(0.02)
    stop.set()
    await working
    # Two customers' first attempts at a time, each a minute long.
    assert len(ground.receiver.at("/dead")) <= 4
    assert {each.status for each in await ground.deliveries(dead)} == {Status.PENDING}
    assert {each.status for each in await ground.deliveries(live)} <= {Status.DELIVERED, Status.PENDING}


async def test_whose_receiver_hangs_up_is_tried_again(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(hanging_up, answering(200))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    assert (delivery.status, attempt.status, bool(attempt.error)) == (Status.PENDING, None, True)
    await ground.later(seconds=6)
    [delivery] = await ground.deliveries(endpoint)
    assert delivery.status is Status.DELIVERED


async def test_that_arrives_after_its_endpoint_was_deleted_is_recorded_and_sent_no_more(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.gate = asyncio.Event()
    await ground.hear(ground.an_event(), ground.an_event())
    sending = asyncio.create_task(ground.send())
    await ground.receiver.arrived.wait()
    async with ground.tx() as tx:
        await webhooks.delete(tx, endpoint_id=endpoint.id, now=NOW)
    ground.receiver.gate.set()
    await sending
    async with connected(ground.admin_url) as admin:
        rows = await admin.fetch("select status, is_out, due_at from webhooks.messages order by sequence")
    assert [tuple(row) for row in rows] == [("delivered", False, None), ("dead", False, None)]
    assert [each.reason for each in await ground.deliveries(endpoint)] == ["", "the endpoint was deleted"]
    assert len(ground.receiver.got) == 1


async def test_leaves_no_intent_that_waits(ground):
    await ground.an_endpoint()
    ground.receiver.says(answering(500), answering(200))
    await ground.told(*[ground.an_event() for _ in range(5)])
    async with connected(ground.admin_url) as admin:
        assert await admin.fetchval("select count(*) from platform.intents where state = 'waiting'") == 0


@pytest.mark.shows("fault H1", "SW ssrf", "SSRF addresses")
async def test_goes_nowhere_on_this_machine_from_production(make_ground):
    ground = await make_ground(local=False)
    endpoint, _ = await ground.an_endpoint()
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    assert attempt.error == "this installation sends nothing to its own machine"
    assert ground.receiver.connections == 0


async def _silent(writer):
    await asyncio.sleep(100)


@pytest.mark.shows("fault G4")
async def test_of_a_suspended_tenant_waits_and_is_sent_when_it_is_back(ground):
    endpoint, _ = await ground.an_endpoint()
    await ground.hear(ground.an_event())
    async with ground.tx() as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    await ground.hear(ground.an_event())
    await ground.send()
    assert ground.receiver.got == []
    async with ground.tx() as tx:
        await identity.resume_tenant(tx, reason="paid", now=NOW)
    await ground.send()
    assert {each.status for each in await ground.deliveries(endpoint)} == {Status.DELIVERED}
    assert len(ground.receiver.got) == 2
