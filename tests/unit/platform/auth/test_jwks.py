"""A key set is fetched when it must be, at most once in ten seconds, and kept while the issuer is away."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from guilder.platform.auth.jwks import BODY_BYTES_MAX, JwksKeys, KeysUnavailable, checked_url, keys_of
from tests.support.identity_provider import Seconds, SigningKey, an_ec_key, serving

ONE, TWO = an_ec_key("one"), an_ec_key("two")


def the_set(*keys):
    return lambda _path: (200, {"keys": [key.jwk() for key in keys]})


@asynccontextmanager
async def a_key_set(answer):
    seconds = Seconds()
    async with serving(answer) as server, httpx.AsyncClient(trust_env=False) as client:
        yield JwksKeys(f"{server.url}/keys", client=client, monotonic=seconds), server, seconds


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_is_fetched_once_by_however_many_ask_at_once():
    async with a_key_set(the_set(ONE)) as (keys, server, _):
        server.delay_s = 0.05
        found = await asyncio.gather(*(keys.find("one") for _ in range(100)))
    assert all(found)
    assert len(server.asked) == 1


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_a_new_kid_is_accepted_within_a_minute_even_if_asked_for_too_early():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        assert await keys.find("one")
        seconds.move(10)
        assert await keys.find("two") is None  # before it is published
        server.answer = the_set(ONE, TWO)
        waited = 0
        while await keys.find("two") is None:
            seconds.move(1)
            waited += 1
        assert waited <= 60
    assert len(server.asked) == 3


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_a_removed_kid_is_refused_after_the_time_to_live():
    async with a_key_set(the_set(ONE, TWO)) as (keys, server, seconds):
        assert await keys.find("two")
        server.answer = the_set(ONE)
        seconds.move(299)
        assert await keys.find("two")
        seconds.move(1)
        assert await keys.find("two") is None
        assert await keys.find("one")


@pytest.mark.shows("fault G2", "JWT jwks", "ASVS 16.5.2")
async def test_cached_keys_serve_while_the_issuer_is_down_for_ten_minutes_but_not_for_over_an_hour():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        assert await keys.find("one")
        server.answer = lambda _: (503, {})
        for _ in range(600):
            seconds.move(1)
            assert await keys.find("one")
        await asyncio.sleep(1)  # what is fetched behind the scenes lands, on a busy machine too
        assert 2 <= len(server.asked) <= 1 + 600 // 10
        seconds.move(3_000)
        with pytest.raises(KeysUnavailable):
            await keys.find("one")
        server.answer = the_set(ONE)
        seconds.move(10)
        assert await keys.find("one")


async def test_an_issuer_that_hangs_is_waited_for_once_and_then_fetched_behind_the_scenes():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        assert await keys.find("one")
        server.answer = lambda _: (503, {})
        seconds.move(300)
        assert await keys.find("one")
        server.delay_s = 3
        seconds.move(10)
        async with asyncio.timeout(2):
            assert await keys.find("one")
        await asyncio.sleep(3.5)


@pytest.mark.shows("fault G2", "ASVS 16.5.3")
async def test_no_keys_at_all_lets_nobody_in():
    async with a_key_set(lambda _: (500, {})) as (keys, server, _):
        for _ in range(50):
            with pytest.raises(KeysUnavailable):
                await keys.find("one")
    assert len(server.asked) == 1


@pytest.mark.shows("fault G2", "JWT jwks", "API2")
async def test_a_flood_of_random_kids_fetches_at_most_once_in_ten_seconds():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        for second in range(60):
            found = await asyncio.gather(*(keys.find(f"random-{second}-{each}") for each in range(1_000)))
            assert not any(found)
            assert await keys.find("one")
            seconds.move(1)
    assert 2 <= len(server.asked) <= 6
    assert len(keys._unknown) <= 1_000


@pytest.mark.shows("fault G2", "JWT jwks")
async def test_the_same_unknown_kid_is_remembered():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        for _ in range(30):
            assert await keys.find("ghost") is None
            seconds.move(1)
    assert len(server.asked) <= 2


async def test_a_token_without_kid_is_matched_with_the_only_key_and_with_none_of_several():
    async with a_key_set(the_set(ONE)) as (keys, server, seconds):
        assert await keys.find(None)
        server.answer = the_set(ONE, TWO)
        seconds.move(300)
        assert await keys.find(None) is None


async def test_the_key_set_is_found_through_a_discovery_document():
    def answer(path):
        return (200, {"jwks_uri": f"{server.url}/real"}) if path == "/keys" else the_set(ONE)(path)

    async with a_key_set(answer) as (keys, server, _):
        assert await keys.find("one")
    assert server.asked == ["/keys", "/real"]


@pytest.mark.shows("API10", "ASVS 9.1.3")
@pytest.mark.parametrize(
    "answer",
    [
        (302, {}),
        (200, []),
        (200, b"not json"),
        (200, {"keys": "x"}),
        (200, {"keys": []}),
        (200, b'{"keys": [' + b" " * BODY_BYTES_MAX + b"]}"),
    ],
    ids=["redirect", "list", "no json", "text", "empty", "endless"],
)
async def test_an_answer_that_is_no_key_set_is_not_believed(answer):
    async with a_key_set(lambda _: answer) as (keys, server, _):
        with pytest.raises(KeysUnavailable):
            await keys.find("one")
    assert len(server.asked) == 1


@pytest.mark.shows("ASVS 12.3.1", "API7")
async def test_a_discovery_document_cannot_lead_to_plain_http_elsewhere():
    def answer(path):
        # 0.0.0.0 reaches this very server, and is no loopback address.
        elsewhere = server.url.replace("127.0.0.1", "0.0.0.0")
        return (200, {"jwks_uri": f"{elsewhere}/real"}) if path == "/keys" else the_set(ONE)(path)

    async with a_key_set(answer) as (keys, server, _):
        with pytest.raises(KeysUnavailable):
            await keys.find("one")
    assert server.asked == ["/keys"]


async def test_whoever_stops_waiting_does_not_stop_the_fetch_for_the_others():
    async with a_key_set(the_set(ONE)) as (keys, server, _):
        server.delay_s = 0.05
        impatient = asyncio.create_task(keys.find("one"))
        patient = asyncio.create_task(keys.find("one"))
        await asyncio.sleep(0.01)
        impatient.cancel()
        assert await patient
    assert len(server.asked) == 1


@pytest.mark.shows("ASVS 9.1.3", "JWT keys")
def test_keys_of_other_kinds_and_uses_are_passed_over():
    weak = {**SigningKey("weak").jwk(), "n": "AQAB"}
    found = keys_of(
        {
            "keys": [
                ONE.jwk(),
                {**TWO.jwk(), "use": "enc"},
                {**TWO.jwk(), "alg": "ES384"},
                {"kty": "oct", "kid": "sym", "k": "c2VjcmV0"},
                {**TWO.jwk(), "kid": 7},
                weak,
                "x",
            ]
        }
    )
    assert list(found) == ["one"]


@pytest.mark.shows("ASVS 12.3.1", "API7")
@pytest.mark.parametrize("url", ["http://idp.example.test/k", "ftp://127.0.0.1/k", "//x", "file:///etc/passwd", ""])
def test_a_url_that_is_neither_https_nor_on_this_machine_is_refused(url):
    with pytest.raises(ValueError):
        checked_url(url)
