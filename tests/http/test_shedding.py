"""Too much at once is turned away at once, early, and never what tells whether the process lives or what a provider says."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from uuid import uuid4

import httpx
import pytest

from guilder.platform import metrics
from guilder.platform.http.settings import Allowance
from guilder.platform.http.shedding import RETRY_MAX_S, Ceilings
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy

BUSY = Ceilings(api=40, per_caller=40, webhooks=4, operations=8, waiting=1_000)


@pytest.fixture(scope="module")
async def urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with new_database(cluster, f"edge_shedding_{worker_id}") as urls:
        yield urls


@asynccontextmanager
async def a_toy(urls: DatabaseUrls, ceilings: Ceilings) -> AsyncIterator[Toy]:
    """Serve toys whose makers all wait until they are let go on."""
    async with serve_toy(urls, ceilings=ceilings, metrics=metrics.render, per_tenant=Allowance(100_000)) as toy:
        toy.doings.hold = asyncio.Event()
        yield toy
        toy.doings.hold.set()


class Crowd:
    """Many who ask at once; what they are answered is looked at while others still wait."""

    def __init__(self, toy: Toy, client: httpx.AsyncClient) -> None:
        self._toy = toy
        self._client = client
        self.asking: list[asyncio.Task[httpx.Response]] = []

    def ask(self, count: int, token: str = "admin") -> None:
        self.asking += [
            asyncio.create_task(self._client.post("/api/toys", json={"name": f"crowd {uuid4()}"}, headers=a_key(token)))
            for _ in range(count)
        ]

    @property
    def answered(self) -> list[httpx.Response]:
        return [each.result() for each in self.asking if each.done()]

    async def await_answers(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.answered) < count:
                await asyncio.sleep(0.01)

    async def let_go(self) -> Counter[int]:
        assert self._toy.doings.hold is not None
        self._toy.doings.hold.set()
        return Counter(each.status_code for each in await asyncio.gather(*self.asking))


@asynccontextmanager
async def a_crowd(toy: Toy) -> AsyncIterator[Crowd]:
    limits = httpx.Limits(max_connections=400)
    async with httpx.AsyncClient(base_url=toy.client.base_url, timeout=60, limits=limits) as client:
        crowd = Crowd(toy, client)
        try:
            yield crowd
        finally:
            await crowd.let_go()


def sheds(reason: str) -> float:
    return metrics.registry.get_sample_value("guilder_http_sheds_total", {"reason": reason}) or 0.0


@pytest.mark.shows("API4", "fault D10", "ASVS 16.5.2")
async def test_two_hundred_slow_requests_are_forty_served_and_the_rest_told_at_once_to_come_back(urls):
    before = sheds("in_flight")
    async with a_toy(urls, BUSY) as toy, a_crowd(toy) as crowd:
        crowd.ask(200)
        await crowd.await_answers(160)
        assert Counter(each.status_code for each in crowd.answered) == {503: 160}
        for each in crowd.answered:
            assert each.json()["code"] == "overloaded"
            assert 1 <= int(each.headers["Retry-After"]) <= RETRY_MAX_S
            assert each.headers["X-Request-Id"]
            assert each.headers["Strict-Transport-Security"]
        assert sheds("in_flight") - before == 160
        assert await crowd.let_go() == {201: 40, 503: 160}
    assert await _count(urls) == 40


async def _count(urls: DatabaseUrls) -> int:
    async with serve_toy(urls) as toy:
        return await toy.count()


@pytest.mark.shows("API4")
async def test_health_and_webhooks_have_lanes_of_their_own(urls):
    async with a_toy(urls, BUSY) as toy, a_crowd(toy) as crowd:
        crowd.ask(60)
        await crowd.await_answers(20)
        for path in ("/health", "/metrics"):
            assert (await toy.client.get(path)).status_code == 200
        assert b"guilder_http_in_flight" in (await toy.client.get("/metrics")).content
        # There is no such webhook here; that it is looked for shows that it was let in.
        assert (await toy.client.post("/api/webhooks/stripe")).status_code == 404
        assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 503


async def test_when_too_many_wait_for_the_database_no_more_are_begun(urls):
    before = sheds("waiting")
    ceilings = Ceilings(api=300, per_caller=300, waiting=10)
    async with a_toy(urls, ceilings) as toy, a_crowd(toy) as crowd:
        crowd.ask(25)  # as many as there are connections
        async with asyncio.timeout(60):
            while toy.doings.calls < 25:
                await asyncio.sleep(0.01)
        crowd.ask(10)
        async with asyncio.timeout(60):
            while toy.database.waiting < 10:
                await asyncio.sleep(0.01)
        crowd.ask(100)
        await crowd.await_answers(100)
        assert {each.status_code for each in crowd.answered} == {503}
        assert sheds("waiting") - before >= 100
        assert (await toy.client.get("/health")).status_code == 200
        assert (await crowd.let_go())[201] == 35
        assert toy.database.waiting == 0


async def test_a_process_whose_connections_are_all_taken_is_ready(urls):
    """Taken out of service it would leave its work to the others, and they would be next."""
    async with serve_toy(urls) as toy:
        pool = toy.database.pool
        taken = [await pool.acquire() for _ in range(pool.get_max_size())]
        try:
            assert (await toy.client.get("/ready")).status_code == 200
        finally:
            for each in taken:
                await pool.release(each)


@pytest.mark.shows("API4")
async def test_one_caller_is_held_to_its_share_and_leaves_the_rest_to_others(urls):
    ceilings = Ceilings(api=40, per_caller=10, waiting=1_000)
    async with a_toy(urls, ceilings) as toy, a_crowd(toy) as crowd:
        crowd.ask(30)
        await crowd.await_answers(20)
        for each in crowd.answered:
            assert (each.status_code, each.json()["code"]) == (429, "too_many_at_once")
            assert int(each.headers["Retry-After"]) >= 1
        began = time.monotonic()
        assert (await toy.client.get("/api/toys", headers=a_key("second"))).status_code == 200
        assert time.monotonic() - began < 20
        assert await crowd.let_go() == {201: 10, 429: 20}
        # Its share is free again.
        assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200


@pytest.mark.shows("API4")
async def test_all_of_a_tenants_keys_together_leave_room_for_other_tenants(urls):
    ceilings = Ceilings(api=40, per_caller=40, per_tenant=10, waiting=1_000)
    async with a_toy(urls, ceilings) as toy, a_crowd(toy) as crowd:
        crowd.ask(15)
        await crowd.await_answers(5)
        answer = await toy.client.get("/api/toys", headers=a_key("second"))
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_at_once")
        assert (await toy.client.get("/api/toys", headers=a_key("other"))).status_code == 200
        assert await crowd.let_go() == {201: 10, 429: 5}
        assert (await toy.client.get("/api/toys", headers=a_key("second"))).status_code == 200


@pytest.mark.shows("API4")
async def test_a_line_of_ipv6_is_one_sender_whichever_of_its_addresses_it_takes(urls):
    async with serve_toy(urls, per_address=Allowance(1, burst=2), trusted_proxies=(ip_network("127.0.0.0/8"),)) as toy:
        asked = [
            (await toy.client.get("/api/page/t", headers={"X-Forwarded-For": each})).status_code
            for each in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:8::", "2001:db8:0:1::1", "192.0.2.1")
        ]
    assert asked == [200, 200, 429, 200, 200]


async def test_a_place_is_given_back_however_a_request_ends(urls):
    async with serve_toy(urls, ceilings=Ceilings(api=1, per_caller=1, waiting=10)) as toy:
        for _ in range(3):
            assert (await toy.client.get("/api/crash", headers=a_key())).status_code == 500
            assert (await toy.client.get("/api/toys", headers=a_key("nobody"))).status_code == 401
            assert (await toy.client.get("/api/nothing", headers=a_key())).status_code == 404
        assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200


@pytest.mark.shows("API4")
async def test_all_of_a_tenants_callers_together_have_a_limit_too(urls):
    async with serve_toy(urls, per_tenant=Allowance(1, burst=3)) as toy:
        asked = [
            await toy.client.get("/api/toys", headers=a_key(each)) for each in ("admin", "second", "admin", "second")
        ]
        assert [each.status_code for each in asked] == [200, 200, 200, 429]
        assert asked[-1].headers["RateLimit-Limit"] == "3"
        assert int(asked[-1].headers["Retry-After"]) >= 1
        assert (await toy.client.get("/api/toys", headers=a_key("other"))).status_code == 200


async def test_what_is_missed_and_not_needed_is_said_and_the_process_is_ready(urls):
    async with serve_toy(urls, troubles={"redis": lambda: "does not answer", "kafka": lambda: None}) as toy:
        answer = await toy.client.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "degraded": {"redis": "does not answer"}})
