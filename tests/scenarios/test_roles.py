"""Workers that each do a part, and processes that are told to stop while they are at it."""

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx
import pytest

from guilder.wiring.reactions import REACTIONS
from tests.scenarios.conftest import START
from tests.support.database import DatabaseUrls, new_database
from tests.support.doctor import assert_healthy
from tests.support.processes import Installation, until
from tests.support.world import World, a_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAYING = ("payments", "invoicing", "orders")


@pytest.fixture(scope="module")
async def spread(cluster: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """One worker for three groups, one for all others, one that calls; none does another's work."""
    others = [each for each in REACTIONS.groups if each not in PAYING]
    async with new_database(cluster, "guilder_roles") as urls:
        installation = Installation(urls, tmp_path_factory.mktemp("roles"))
        installation.folder.mkdir(exist_ok=True)
        try:
            data = str(installation.folder / "provider")
            installation.add(
                "provider", "-m", "simulated_provider", "--port", str(installation.provider_port), "--data", data
            )
            installation.add("api", "-m", "guilder", "serve")
            for name, groups in (("paying", PAYING), ("others", others)):
                chosen = [word for each in groups for word in ("--group", each)]
                installation.add(name, "-m", "guilder", "work", "--no-calls", *chosen)
            installation.add("caller", "-m", "guilder", "work", "--only-calls")
            installation.add("scheduler", "-m", "guilder", "schedule")
            installation.until_answering(f"{installation.provider_url}/health", "provider")
            installation.until_answering(f"{installation.base_url}/ready", "api")
            yield installation
        finally:
            installation.stop()


async def test_parts_make_the_whole(spread: Installation) -> None:
    async with a_world(spread, starts_at=START) as world:
        await world.plan()
        subscription = await world.subscriber()
        await until(lambda: is_active(world, subscription), timeout_s=60, what="the subscription")
        await until(lambda: is_thanked(world), timeout_s=60, what="the thank-you")

        # Without who calls nobody pays, and what is to be called waits.
        spread.processes["caller"].stop()
        await world.customer("late")
        asked = await world.post("/api/customers/late/payment-methods", {"token": "pm_card_ok"})
        await asyncio.sleep(3)
        [method] = [
            each for each in await world.get("/api/customers/late/payment-methods") if each["id"] == asked["id"]
        ]
        assert method["status"] == "pending"
        spread.processes["caller"].start()

        async def is_validated() -> bool:
            return any(each["status"] != "pending" for each in await world.get("/api/customers/late/payment-methods"))

        await until(is_validated, timeout_s=60, what="the card's validation")
        await assert_healthy(spread, tenant_id=world.tenant_id)


@pytest.mark.shows("fault J2")
async def test_requests_in_flight_are_answered_before_the_api_ends(spread: Installation) -> None:
    async with a_world(spread, starts_at=START) as world:
        await world.plan()
        process = spread.processes["api"]
        assert process.running is not None
        before: list[int] = []
        refused = 0

        async def ask() -> None:
            nonlocal refused
            async with httpx.AsyncClient(
                base_url=spread.base_url, headers=world.http.headers, trust_env=False
            ) as client:
                while True:
                    try:
                        answer = await client.get("/api/plans", timeout=30)
                    except httpx.ConnectError:
                        return  # the port is closed: whoever stands in front sends nothing here any more
                    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                        refused += 1  # a kept connection that was closed while it was idle: by a word, or by a reset
                        return
                    before.append(answer.status_code)

        async def are_many() -> bool:
            return len(before) > 40

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        await until(are_many, timeout_s=60, what="requests")
        process.kill(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*asking), 60)
        assert await asyncio.to_thread(process.running.wait, 30) == 0, process.said()
        process.start()
        spread.until_answering(f"{spread.base_url}/ready", "api")
        assert set(before) <= {200, 503}, set(before)
        assert refused <= len(asking)


@pytest.mark.shows("fault J2")
async def test_every_role_stops_well_in_the_middle_of_its_work(spread: Installation) -> None:
    """SIGTERM: each ends by itself, with 0, and what it left is taken up by the next of its kind."""
    async with a_world(spread, starts_at=START) as world:
        await world.plan()
        rounds = [("paying", 0), ("caller", 1), ("others", 2), ("scheduler", 3)]
        cards = []
        for _, number in rounds:
            await world.customer(f"customer-{number}")
            cards.append(await world.card(f"customer-{number}", "pm_card_ok"))
        subscriptions = []
        for name, number in rounds:
            subscriptions.append(await world.subscribe(f"customer-{number}", payment_method_id=cards[number]["id"]))
            process = spread.processes[name]
            assert process.running is not None
            process.kill(signal.SIGTERM)
            assert await asyncio.to_thread(process.running.wait, 30) == 0, process.said()
            process.start()
        for each in subscriptions:
            await until(lambda: is_active(world, each), timeout_s=120, what="a subscription")  # noqa: B023
        await assert_healthy(spread, tenant_id=world.tenant_id)


async def is_active(world: World, subscription: dict[str, str]) -> bool:
    return bool((await world.subscription(subscription))["status"] == "active")


async def is_thanked(world: World) -> bool:
    return "payment_succeeded" in await world.mails("acme")
