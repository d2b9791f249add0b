"""What happens, told to a tenant's own systems: the journey, a worker's death, a receiver that is away, and the feed."""

import asyncio
import os
import subprocess
import sys

import pytest
from standardwebhooks import Webhook

from tests.scenarios.conftest import START
from tests.support.database import new_database
from tests.support.processes import installed, until
from tests.support.receiver import answering, receiving
from tests.support.world import a_world
from tests.support.worst_day import let_leases_run_out


async def an_endpoint(world, receiver, *events, path="/hook", **over):
    body = {"url": receiver.url(path), "events": events or ["*"], "allows_loopback": True, **over}
    return await world.post("/api/webhook-endpoints", body)


async def deliveries(world, endpoint, **query):
    """What an endpoint was sent, oldest first."""
    answer = await world.http.get(f"/api/webhook-endpoints/{endpoint['id']}/deliveries", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["data"]))


async def settled(world, endpoint):
    """Wait until nothing is under way or in line."""

    async def look():
        found = await deliveries(world, endpoint)
        return (
            found if found and all(each["status"] != "pending" or each["next_attempt_at"] for each in found) else None
        )

    return await until(look, what="the deliveries")


async def feed(world, **query):
    """Read the whole feed; return its events."""
    found, cursor = [], None
    while True:
        said = {"limit": 7, **query} | ({"cursor": cursor} if cursor else {})
        answer = (await world.http.get("/api/events", params=said)).json()
        found += answer["data"]
        cursor = answer["page"]["next_cursor"]
        if not answer["page"]["has_more"]:
            return found


async def test_a_subscription_is_told_signed_and_in_order_and_the_feed_says_the_same(world):
    async with receiving() as receiver:
        await world.plan()
        endpoint = await an_endpoint(world, receiver, "customers.*", "subscriptions.*", "invoicing.*", "payments.*")
        await world.subscriber()
        await world.advance(days=32)
        names = ("invoicing.invoice.paid", "subscriptions.subscription.activated", "subscriptions.subscription.renewed")

        async def told():
            said = [each.said["type"] for each in receiver.got]
            return said if all(name in said for name in names) else None

        await until(told, what="the renewal")
        sent = await settled(world, endpoint)
        assert {each["status"] for each in sent} == {"delivered"}
        for each in receiver.got:
            Webhook(endpoint["secret"]).verify(each.body, each.headers)
        assert len({each.id for each in receiver.got}) == len(receiver.got) == len(sent)

        types = "customers.*,subscriptions.*,invoicing.*,payments.*"
        events = await feed(world, types=types)
        assert {each["id"] for each in events} == {each.said["event_id"] for each in receiver.got}
        by_id = {each["id"]: each for each in events}
        for each in receiver.got:
            event = by_id[each.said["event_id"]]
            assert (event["type"], event["data"]) == (each.said["type"], each.said["data"])
        # Of one customer, and of one topic, both say things in the order in which they happened.
        for topic in ("invoicing.", "subscriptions."):
            heard = [each.said["event_id"] for each in receiver.got if each.said["type"].startswith(topic)]
            assert heard == [each["id"] for each in events if each["type"].startswith(topic)]


async def test_a_receiver_that_was_away_for_hours_hears_everything_in_the_end(world):
    async with receiving() as receiver:
        endpoint = await an_endpoint(world, receiver, "customers.*")
        receiver.says(answering(503))
        await world.customer("acme")
        [failed] = await settled(world, endpoint)
        assert (failed["status"], failed["attempts"]) == ("pending", 1)
        await world.advance(hours=3)
        [failed] = await settled(world, endpoint)
        assert (failed["status"], failed["attempts"]) == ("pending", 5)
        receiver.says(answering(200))
        await world.advance(hours=6)
        [arrived] = await settled(world, endpoint)
        assert (arrived["status"], arrived["attempts"]) == ("delivered", 6)
        assert len({each.id for each in receiver.got}) == 1
        assert (await world.get(f"/api/webhook-endpoints/{endpoint['id']}"))["failures"] == 0


async def test_an_endpoint_that_is_gone_is_disabled_enabled_and_replayed(world):
    async with receiving() as receiver:
        endpoint = await an_endpoint(world, receiver, "customers.*")
        receiver.says(answering(410))
        await world.customer("acme")
        path = f"/api/webhook-endpoints/{endpoint['id']}"

        async def disabled():
            return (await world.get(path))["disabled_reason"]

        assert await until(disabled, what="the end of the endpoint") == "gone"
        assert "webhooks.endpoint.disabled" in [each["type"] for each in await feed(world)]
        receiver.says(answering(200))
        await world.post(
            f"{path}/replay", {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}, expect=(409,)
        )
        await world.post(f"{path}/enable")
        replay = await world.post(f"{path}/replay", {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"})
        assert (replay["replayed"], replay["has_more"]) == (1, False)
        [arrived] = await settled(world, endpoint)
        assert (arrived["status"], arrived["attempts"]) == ("delivered", 2)


@pytest.mark.slow
async def test_a_worker_killed_between_sending_and_recording_sends_the_same_id_again(cluster, worker_id, tmp_path):
    async with new_database(cluster, f"guilder_{worker_id}_webhooks") as urls:
        with installed(urls, tmp_path, workers=1) as installation:
            async with a_world(installation, starts_at=START) as world, receiving() as receiver:
                receiver.gate = asyncio.Event()
                endpoint = await an_endpoint(world, receiver, "customers.*")
                await world.customer("acme")
                await asyncio.wait_for(receiver.arrived.wait(), 120)
                installation.processes["worker1"].kill()
                receiver.gate.set()
                [waiting] = await deliveries(world, endpoint)
                assert (waiting["status"], waiting["attempts"], waiting["is_under_way"]) == ("pending", 0, True)
                installation.processes["worker1"].start()

                async def arrived():
                    found = await deliveries(world, endpoint)
                    return found if found[0]["status"] == "delivered" else None

                await let_leases_run_out(world)
                [delivery] = await until(arrived, what="the second attempt")
                assert [each.id for each in receiver.got] == [delivery["id"]] * 2
                assert receiver.got[0].body == receiver.got[1].body
                for each in receiver.got:
                    Webhook(endpoint["secret"]).verify(each.body, each.headers)


@pytest.mark.parametrize("forwards", [False, True])
async def test_listen_prints_events_or_posts_them_signed(world, installation, forwards):
    async with receiving() as receiver:
        more = ["--forward-to", receiver.url()] if forwards else []
        listening = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "guilder",
                "listen",
                "--events",
                "customers.*",
                "--url",
                installation.base_url,
                *more,
            ],
            env={**os.environ, "GUILDER_API_KEY": world.api_key, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            ready = await asyncio.wait_for(asyncio.to_thread(listening.stderr.readline), 120)
            assert "listening" in ready
            secret = ""
            if forwards:
                secret = (await asyncio.wait_for(asyncio.to_thread(listening.stdout.readline), 120)).split()[-1]
            customer = await world.customer("acme")
            line = await asyncio.wait_for(asyncio.to_thread(listening.stdout.readline), 120)
            assert line.split()[1] == "customers.customer.created"
            assert "customer_id=" in line
            if forwards:
                assert line.split()[-1] == "200"
                [got] = receiver.got
                said = Webhook(secret).verify(got.body, got.headers)
                assert said["type"] == "customers.customer.created"
                assert got.id.startswith("msg_")
            assert customer
        finally:
            listening.terminate()
            listening.communicate(timeout=90)


async def test_listen_without_a_key_says_how_to_get_one():
    environment = {name: value for name, value in os.environ.items() if name != "GUILDER_API_KEY"}
    run = subprocess.run(
        [sys.executable, "-m", "guilder", "listen"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, "GUILDER_API_KEY" in run.stderr, "Traceback" in run.stderr) == (1, True, False)
