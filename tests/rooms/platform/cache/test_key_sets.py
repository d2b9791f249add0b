"""An issuer is asked by one process of all, and its keys are known to every one."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from guilder.platform.auth.jwks import JwksKeys, KeysUnavailable
from guilder.platform.cache.key_sets import KeySets
from guilder.platform.clock import HandClock, WallClock
from tests.rooms.platform.cache.ground import a_way_to
from tests.support.ground import RING
from tests.support.identity_provider import NOW, SigningKey, an_ec_key, serving
from tests.support.redis import a_redis

pytestmark = pytest.mark.needs_redis
ONE, TWO, THEIRS = an_ec_key("one"), an_ec_key("two"), an_ec_key("theirs")


def the_set(*keys: SigningKey):
    return lambda _path: (200, {"keys": [key.jwk() for key in keys]})


@asynccontextmanager
async def processes(url: str, count: int, answer):
    """Open that many processes' key sets of one issuer."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(answer))
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        made = []
        for _ in range(count):
            shared = KeySets(await stack.enter_async_context(a_way_to(url)), RING, WallClock())
            address = f"{server.url}/keys"
            made.append(JwksKeys(address, client=client, monotonic=time.monotonic, shared=shared))
        yield made, server


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_five_processes_at_once_ask_the_issuer_once(redis):
    async with processes(redis.url, 5, the_set(ONE)) as (keys, server):
        server.delay_s = 0.2
        found = await asyncio.gather(*(each.find("one") for each in keys for _ in range(10)))
    assert all(found)
    assert len(server.asked) == 1


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_a_flood_of_unknown_kids_at_all_processes_asks_the_issuer_once_in_ten_seconds(redis):
    async with processes(redis.url, 3, the_set(ONE)) as (keys, server):
        began = time.monotonic()
        for n in range(40):
            assert not any(await asyncio.gather(*(each.find(f"made up {n}") for each in keys)))
        assert len(server.asked) <= 1 + (time.monotonic() - began) // 10
        assert all(await asyncio.gather(*(each.find("one") for each in keys)))


@pytest.mark.shows("fault D5", "fault G2")
async def test_without_redis_each_process_asks_for_itself():
    with a_redis() as redis:
        async with processes(redis.url, 2, the_set(ONE)) as (keys, server):
            redis.stop()
            assert all(await asyncio.gather(*(each.find("one") for each in keys)))
            assert len(server.asked) == 2


async def test_an_issuer_that_is_away_is_asked_by_one_and_waited_for_by_none_for_long(redis):
    async with processes(redis.url, 3, lambda _: (503, {})) as (keys, server):
        refused = await asyncio.gather(*(each.find("one") for each in keys), return_exceptions=True)
        assert [type(each) for each in refused] == [KeysUnavailable] * 3
        assert len(server.asked) == 1


@pytest.mark.shows("JWT jwks", "ASVS 13.2.2")
async def test_keys_that_somebody_else_put_there_let_nobody_in(redis):
    async with processes(redis.url, 2, the_set(ONE)) as (keys, _):
        assert await keys[0].find("one")
        with redis.admin as admin:
            [name] = [key for key in admin.scan_iter() if key.endswith(b":key_sets")]
            kept = admin.get(name)
            assert ONE.jwk()["x"].encode() not in kept
            admin.set(name, b'{"keys": []}')
        with redis.admin as admin:
            admin.delete(f"{name.decode()}:asked")
        assert await keys[1].find("one")  # fetched anew
        assert await keys[1].find("theirs") is None


async def test_a_set_counts_from_when_it_was_fetched_and_is_of_one_address(redis):
    clock = HandClock(NOW)
    async with a_way_to(redis.url) as shared:
        sets = KeySets(shared, RING, clock)
        await sets.keep("https://a.example.com", {"keys": [1]}, 300)
        clock.move_by(timedelta(seconds=40))
        assert await sets.find("https://a.example.com") == ({"keys": [1]}, 40.0)
        assert await sets.find("https://b.example.com") is None
        assert await KeySets(shared, RING, HandClock(NOW - timedelta(minutes=1))).find("https://a.example.com") is None
