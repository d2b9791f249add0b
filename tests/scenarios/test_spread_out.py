"""An installation spread out while it is worked on: each process restarted in its turn, and the primary lost for good."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from tests.scenarios.conftest import SPREAD, START
from tests.support.database import DatabaseUrls
from tests.support.doctor import assert_healthy
from tests.support.processes import until
from tests.support.spread import APIS, OURS, SpreadOut, spread_out
from tests.support.taking_part import all_stand_ready, nothing_is_left
from tests.support.world import World, a_world
from tests.support.worst_day import counter_of

pytestmark = [*SPREAD, pytest.mark.slow, pytest.mark.timeout(900)]

CUSTOMERS = 8
# What a client asks again: the primary is away, or an answer to the same key is under way.
COMES_BACK = {409, 429, 500, 502, 503, 504}


@pytest.fixture(scope="module")
async def fleet(cluster: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SpreadOut]:
    """Whose replica has what was acknowledged, so that it may take over."""
    async with spread_out(cluster, tmp_path_factory.mktemp("fleet"), replica="safely") as fleet:
        yield fleet


@pytest.fixture
async def shop(fleet: SpreadOut) -> AsyncIterator[World]:
    async with a_world(fleet, starts_at=START) as world:
        await world.plan()
        yield world


@pytest.mark.shows("fault J2")
async def test_every_process_is_restarted_in_its_turn_and_no_request_fails(fleet: SpreadOut, shop: World) -> None:
    stop, traffic = asyncio.Event(), Traffic(shop)
    asking = [asyncio.create_task(traffic.run(stop, number)) for number in range(3)]
    try:
        await until(traffic.has(3), what="traffic before")
        for name in OURS:
            process = fleet.processes[name]
            assert process.running is not None
            process.kill(signal.SIGTERM)
            assert await asyncio.to_thread(process.running.wait, 90) == 0, f"{name}: {process.said()}"
            fleet.start(name)
            await asyncio.to_thread(fleet.until_ready, name)
            if name in APIS:
                await until_nginx_sends_to(fleet, name)
        await until(traffic.has(len(traffic.subscribed) + 3), what="traffic after")
    finally:
        stop.set()
        await asyncio.gather(*asking)
    assert not traffic.failures, traffic.failures[:5]
    await until(lambda: are(shop, traffic.subscribed, "active"), timeout_s=300, what="everybody's subscription")
    await assert_at_rest(fleet, shop)
    await assert_charged_once(shop, len(traffic.subscribed))


@pytest.mark.shows("fault D1")
async def test_the_primary_is_lost_in_the_middle_of_a_run_of_renewals(fleet: SpreadOut, shop: World) -> None:
    names = [f"customer-{number}" for number in range(CUSTOMERS)]
    subscriptions = [each["id"] for each in await asyncio.gather(*map(shop.subscriber, names))]
    await until(lambda: are(shop, subscriptions, "active"), timeout_s=300, what="everybody's subscription")
    async with counter_of(shop) as counter:
        # Of some the money is taken, and the answer is on its way for as long as the primary is there to hear it.
        await counter.fault("hold", "confirm", times=CUSTOMERS // 2)
        await shop.post("/api/clock/advance", {"by": {"days": 32}})
        await counter.until_held("confirm")
        fleet.kill("primary")
        await fleet.promote()
        await counter.well_again()
        await counter.release(drop=True)
    await until(lambda: has_arrived(shop), timeout_s=300, what="the clock's arrival")
    for name in names:
        assert [each["status"] for each in await shop.invoices(name)] == ["paid", "paid"]
    await assert_charged_once(shop, 2 * CUSTOMERS)
    await until(lambda: all_stand_ready(fleet), what="every process of ours at the new primary")
    await assert_at_rest(fleet, shop)


async def until_nginx_sends_to(fleet: SpreadOut, name: str) -> None:
    """Wait as whoever rolls must: who was away is tried again after a while, and the next may not go before."""
    known = len(fleet.edge.lines())

    async def is_sent() -> bool:
        return any(each["server"] == f"127.0.0.1:{fleet.ports[name]}" for each in fleet.edge.lines()[known:])

    await until(is_sent, what=f"requests for {name} through nginx")


class Traffic:
    """Customers who come one after the other, and want everything to go well."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.subscribed: list[str] = []
        self.failures: list[str] = []
        self.answers: Counter[int] = Counter()

    def has(self, subscribed: int):  # type: ignore[no-untyped-def]
        async def counted() -> bool:
            return len(self.subscribed) >= subscribed or len(self.failures) > 5

        return counted

    async def run(self, stop: asyncio.Event, number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            name = f"c{number}-{turn}"
            about = {"organization_id": name, "name": name, "email": f"{name}@example.com", "kind": "organization"}
            await self._ask("POST", "/api/customers", about)
            card = await self._ask("POST", f"/api/customers/{name}/payment-methods", {"token": "pm_card_ok"})
            while card and not await self._is_valid(name, card["id"]):
                await asyncio.sleep(0.2)
            order = {"organization_id": name, "plan_id": "pro", "billing_cycle": "monthly"}
            if made := card and await self._ask(
                "POST", "/api/subscriptions", order | {"payment_method_id": card["id"]}
            ):
                self.subscribed.append(made["id"])
            for path in ("/api/invoices", f"/api/entitlements/{name}", "/api/events"):
                await self._ask("GET", path)

    async def _is_valid(self, name: str, card: str) -> bool:
        methods = await self._ask("GET", f"/api/customers/{name}/payment-methods") or []
        return any(each["id"] == card and each["status"] != "pending" for each in methods)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask once: whoever restarts a process is to see to it that nobody has to ask again."""
        try:
            answer = await self._world.http.request(method, path, json=body)
        except httpx.TransportError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        self.answers[answer.status_code] += 1
        if not answer.is_success:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        return answer.json()["data"]


async def has_arrived(world: World) -> bool:
    """Look as a client does who was told to come back."""
    try:
        answer = await world.http.get("/api/clock")
    except httpx.TransportError:
        return False
    assert answer.is_success or answer.status_code in COMES_BACK, answer.text
    return answer.is_success and answer.json()["data"]["state"] == "at_rest"


async def are(world: World, subscriptions: Sequence[str], status: str) -> bool:
    found = {(await world.get(f"/api/subscriptions/{each}"))["status"] for each in subscriptions}
    return found == {status}


async def charges(world: World) -> list[str]:
    """Return the attempts that took money, as the provider has them."""
    async with httpx.AsyncClient(base_url=world.installation.provider_url, trust_env=False, timeout=30) as http:
        journal = (await http.get("/sim/journal")).json()
    mine = [each for each in journal["charges"] if str(world.tenant_id) in str(each["business_key"])]
    return [each["business_key"] for each in mine if each["status"] == "succeeded"]


async def assert_charged_once(world: World, times: int) -> None:
    taken = Counter(await charges(world))
    assert set(taken.values()) == {1}, "charged twice"
    assert len(taken) == times


async def assert_at_rest(fleet: SpreadOut, world: World) -> None:
    await until(lambda: nothing_is_left(fleet), what="the end of the log, in Kafka too")
    await assert_healthy(fleet, tenant_id=world.tenant_id)
