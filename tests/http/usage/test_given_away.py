"""One reading after another, over a real connection: what has the head of the one before is given away unread."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.kernel.noun import replace
from guilder.platform import tracing
from guilder.platform.db.gathering import Size
from guilder.platform.http.gathering import Gatherings
from guilder.platform.http.settings import Allowance, HttpSettings
from guilder.platform.http.shedding import Ceilings
from tests.http.usage.lines import SELDOM, Line, Site, a_site
from tests.support.ground import database_with_vault
from tests.support.identity_provider import NOW
from tests.support.nearby import PATIENT_S, tells
from tests.support.served import PUBLIC_URL

CARD = "4111111111111111"


@pytest.fixture
async def site(database_urls, clean) -> AsyncIterator[Site]:
    async with a_site(database_urls) as site:
        yield site


async def is_known(site: Site, line: Line, **more: str) -> None:
    """Have the head of such a request read."""
    status, _, _ = await line.ask(site.request("e0", **more))
    assert status == 200
    site.given.clear()


OWN = ("x-request-id", "ratelimit-remaining", "date")


@pytest.mark.parametrize("by_itself", [False, True], ids=["at one go", "its head by itself"])
async def test_the_next_is_given_away_and_answered_as_the_one_that_was_read(site, by_itself):
    line = await site.line()
    answers = []
    for name in ("e1", "e2", "e3"):
        sent = site.request(name)
        end = sent.find(b"\r\n\r\n") + 4
        answers.append(await line.ask(*((sent[:end], sent[end:]) if by_itself else (sent,))))
    assert site.given == ([True, True] if by_itself else [False, True, True])
    assert [status for status, _, _ in answers] == [200] * 3
    heads = [{name: said for name, said in head.items() if name not in OWN} for _, head, _ in answers]
    assert heads[0] == heads[1] == heads[2]
    assert [list(head) for _, head, _ in answers] == [list(answers[0][1])] * 3
    left = [int(head["ratelimit-remaining"]) for _, head, _ in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2]
    assert [body["data"]["events"][0]["event_id"] for _, _, body in answers] == ["e1", "e2", "e3"]
    assert await site.events() == ["e1", "e2", "e3"]
    calls = await site.calls()
    assert [each["request_id"] for each in calls] == [head["x-request-id"] for _, head, _ in answers]
    assert len({json.dumps({**each, "request_id": ""}) for each in calls}) == 1


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        ({"meter": "cells"}, 422, "unknown_meter"),
        ({"organization_id": "org_2"}, 422, "unknown_customer"),
        ({"value": "none"}, 422, "bad_decimal"),
        ({"properties": {"c": CARD}}, 422, "card_number_refused"),
    ],
    ids=["a meter that nobody has", "nobody", "a number that is none", "a card number"],
)
async def test_what_is_refused_is_refused_as_ever_and_taken_from_the_limit_once(site, event, status, code):
    line = await site.line()
    as_ever = await (await site.line()).ask(site.request("e1", **event, more="X-Request-Id: request-1\r\n"))
    good = {name: "x" * len(str(said)) for name, said in event.items() if name == "none"}
    padded = site.request("e1", **event)
    size = len(padded) - padded.find(b"\r\n\r\n") - 4
    await line.ask(_of_length(site, "e0", size, **good))
    site.given.clear()
    _, before, _ = await line.ask(_of_length(site, "e2", size))
    got, head, body = await line.ask(padded)
    assert site.given == [True, True]
    assert (got, body["code"], body.get("field")) == (status, code, as_ever[2].get("field"))
    assert (as_ever[0], as_ever[2]["code"]) == (status, code)
    assert int(head["ratelimit-remaining"]) == int(before["ratelimit-remaining"]) - 1
    assert await site.events() == ["e0", "e2"]
    assert site.house.app.state.draining.in_flight == 0


def _of_length(site: Site, event_id: str, size: int, **event: Any) -> bytes:
    """Return a good request whose body is of so many bytes."""
    for pad in range(200):
        sent = site.request(event_id, properties={"p": "x" * pad}, **event)
        if len(sent) - sent.find(b"\r\n\r\n") - 4 == size:
            return sent
    plain = site.request(event_id)
    body = plain[plain.find(b"\r\n\r\n") + 4 :]
    assert len(body) <= size, (len(body), size)
    return site.raw(body + b" " * (size - len(body)))


async def test_what_is_no_json_is_said_to_be_none(site):
    line = await site.line()
    await is_known(site, line)
    good = site.request("e1")
    status, _, body = await line.ask(good[:-1] + b"!")
    assert (site.given, status, body["code"]) == ([True], 400, "malformed_json")
    assert (await line.ask(good))[0] == 200


async def test_pipelined_and_split_requests_are_answered_in_their_order(site):
    line = await site.line()
    await is_known(site, line)
    sent = [site.request(f"e{n}") for n in range(1, 7)]
    await line.write(sent[0], sent[1] + sent[2], sent[3][:30], sent[3][30:] + sent[4], sent[5])
    names = [(await line.read())[2]["data"]["events"][0]["event_id"] for _ in sent]
    assert names == [f"e{n}" for n in range(1, 7)]
    assert await site.events() == [f"e{n}" for n in range(7)]


@pytest.mark.parametrize("more", ["X-Request-Id: request-1\r\n", "Idempotency-Key: k\r\n", "Prefer: wait=1\r\n"])
async def test_what_an_answer_would_have_to_say_of_a_head_keeps_it_from_being_remembered(site, more):
    line = await site.line()
    for _ in range(3):
        assert (await line.ask(site.request("e1", more=more)))[0] == 200
    assert not any(site.given)
    assert len(site.again._heads) == 0


async def test_what_is_remembered_is_no_key(site):
    line = await site.line()
    await is_known(site, line)
    assert len(site.again._heads) == 1
    assert site.key not in repr(site.again._heads)
    assert (await line.ask(site.request("e1", more=f"User-Agent: {site.key}\r\n")))[0] == 200
    assert len(site.again._heads) == 1  # it stands there twice


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_another_key_of_the_same_length_is_not_let_in_by_a_head_that_was_read(site):
    line = await site.line()
    await is_known(site, line)
    almost = site.key[:-1] + ("y" if site.key.endswith("x") else "x")
    assert (await line.ask(site.request("e1", key=almost)))[0] == 401
    assert site.given == [False]


@pytest.mark.shows("ASVS 8.3.2")
async def test_a_revoked_key_is_refused_with_the_next_request_though_no_word_of_it_was_heard(
    database_urls, clean, monkeypatch
):
    monkeypatch.setattr("guilder.platform.cache.near.Near.told", lambda *_: None)
    async with a_site(database_urls, runs=True) as site, database_with_vault(database_urls) as elsewhere:
        line = await site.line()
        tells(elsewhere)
        await is_known(site, line)
        assert (await line.ask(site.request("e1")))[0] == 200
        assert site.given == [True]
        async with elsewhere.transaction([site.tenant.tenant_id], actor="test") as tx:
            for key in await identity.keys(tx):
                await identity.revoke_key(tx, key_id=key.id, now=NOW)
        assert (await line.ask(site.request("e2")))[0] == 401
        assert await site.events() == ["e0", "e1"]


@pytest.mark.shows("ASVS 8.3.2")
async def test_an_expired_key_is_refused_to_the_second(site):
    ends = NOW + timedelta(hours=1)
    async with site.house.database.transaction([site.tenant.tenant_id], actor="test") as tx:
        _, key = await identity.mint_key(tx, name="k", role=Role.ADMIN, scopes=["*"], expires_at=ends, now=NOW)
    line = await site.line()
    await line.ask(site.request("e1", key=key))
    await is_known(site, line, key=key)
    assert (await line.ask(site.request("e2", key=key)))[0] == 200
    assert site.given == [True]
    site.house.clock.move_to(ends)
    assert (await line.ask(site.request("e3", key=key)))[0] == 401


async def test_beyond_the_limit_it_is_refused_as_ever(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, per_principal=Allowance(5))
    async with a_site(database_urls, settings=settings) as site:
        line = await site.line()
        answers = [await line.ask(site.request(f"e{n}")) for n in range(10, 22)]
        statuses = [status for status, _, _ in answers]
        assert set(statuses) == {200, 429}
        assert answers[-1][1]["retry-after"]
        assert len(await site.events()) == statuses.count(200)
        assert True in site.given


async def test_a_body_that_lacks_its_last_byte_is_waited_for_though_what_came_could_be_read(site):
    line, spaced = await site.line(), [_of_length(site, name, 90) for name in ("e1", "e2")]
    assert (await line.ask(spaced[0]))[0] == 200
    await line.write(spaced[1][:-1])
    assert await site.events() == ["e1"]
    assert (await line.ask(spaced[1][-1:]))[0] == 200
    assert site.given == [False, False]


async def test_a_caller_has_as_many_under_way_as_ever_and_no_more(database_urls, clean, held):
    settings = replace(SELDOM, ceilings=Ceilings(per_caller=2))
    async with a_site(database_urls, settings=settings) as site:
        held.set()
        lines = [await site.line() for _ in range(3)]
        await is_known(site, lines[0])
        assert [(await lines[0].ask(site.request(f"e{n}")))[0] for n in range(1, 5)] == [200] * 4
        held.go.clear()
        for n, each in enumerate(lines[:2], 5):
            await each.write(site.request(f"e{n}"))
        status, _, body = await lines[2].ask(site.request("e7"))
        held.set()
        assert (status, body["code"]) == (429, "too_many_at_once")
        assert [(await each.read())[0] for each in lines[:2]] == [200] * 2
        assert site.given == [True] * 7


async def test_who_waited_too_long_is_told_so_and_is_not_written_afterwards(database_urls, clean, held):
    async with a_site(database_urls, settings=replace(SELDOM, request_timeout_s=0.3)) as site:
        held.set()
        lines = [await site.line() for _ in range(2)]
        await is_known(site, lines[0])
        held.go.clear()
        for n, each in enumerate(lines, 1):
            await each.write(site.request(f"e{n}"))
        answers = [await each.read() for each in lines]
        assert {(status, body["code"]) for status, _, body in answers} == {(503, "database_unavailable")}
        held.set()
        assert (await lines[0].ask(site.request("e3")))[0] == 200
        assert await site.events() == ["e0", "e1", "e3"]  # the first was being written
        assert site.house.app.state.draining.in_flight == 0


async def test_where_too_much_waits_it_is_turned_away_as_ever(site, held, monkeypatch):
    line = await site.line()
    held.set()
    await is_known(site, line)
    held.go.clear()
    monkeypatch.setattr(next(iter(site.house.app.state.edge.gatherings._of.values())), "size", Size(1, 1, 1))
    lines = [await site.line() for _ in range(4)]
    asking = [asyncio.create_task(each.ask(site.request(f"e{n}"))) for n, each in enumerate(lines, 1)]
    refused, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    status, head, body = refused.pop().result()
    assert (status, body["code"], head["retry-after"]) == (503, "overloaded", "1")
    held.set()
    assert 200 in {(await each)[0] for each in waiting}
    assert site.given == [True] * 4
    assert site.house.app.state.draining.in_flight == 0


async def test_who_goes_away_harms_nobody_who_is_written_with_them(site, held):
    line = await site.line()
    held.set()
    await is_known(site, line)
    held.go.clear()
    lines = [await site.line() for _ in range(6)]
    for n, each in enumerate(lines, 1):
        await each.write(site.request(f"e{n}"))
    draining = site.house.app.state.draining
    assert draining.in_flight == 6
    for each in lines[::2]:
        await each.close()
    held.set()
    assert [(await each.read())[0] for each in lines[1::2]] == [200] * 3
    assert site.given == [True] * 6
    assert await draining.wait_idle(PATIENT_S)
    assert await site.events() == [f"e{n}" for n in range(7)]


async def test_who_went_away_before_they_were_refused_has_a_line_all_the_same(database_urls, clean, held):
    observed: list[int] = []

    def observe(*, method: str, route: str, status: int, seconds: float) -> None:
        observed.append(status)

    async with a_site(database_urls, observe=observe) as site:
        held.set()
        line = await site.line()
        await is_known(site, line, meter="calls")
        held.go.clear()
        observed.clear()
        await line.write(site.request("e1", meter="cells"))
        await line.close()
        await asyncio.sleep(0.05)
        held.set()
        assert await site.house.app.state.draining.wait_idle(PATIENT_S)
        assert (site.given, observed) == ([True], [400])


@pytest.mark.parametrize(
    "error", [RuntimeError("ours"), TimeoutError()], ids=["our own mistake", "the database is gone"]
)
async def test_a_group_that_fails_is_told_to_who_is_there_and_our_mistakes_to_the_log(site, monkeypatch, error):
    line, gone = await site.line(), await site.line()
    await is_known(site, line)
    failing, go = [], asyncio.Event()

    async def fails(self: Any, gathered: Any, group: Any) -> Any:
        await go.wait()
        raise error

    monkeypatch.setattr(Gatherings, "_write", fails)
    monkeypatch.setattr(
        "guilder.platform.http.again.log.error", lambda event, **about: failing.append(about["exc_info"])
    )
    site.house.app.state.edge.gatherings._of.clear()
    await gone.write(site.request("e1"))
    await gone.close()
    await line.write(site.request("e2"))
    go.set()
    status, _, body = await line.read()
    assert (status, body["code"]) == ((500, "internal_error") if failing else (503, "database_unavailable"))
    assert failing == ([error] if isinstance(error, RuntimeError) else [])
    assert site.given == [True, True]
    assert await site.house.app.state.draining.wait_idle(PATIENT_S)


async def test_the_network_is_the_senders_as_proxies_that_are_trusted_say(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with a_site(database_urls, settings=settings) as site:
        line, more = await site.line(), "X-Forwarded-For: 198.51.100.7\r\nUser-Agent: curl/8.0\r\n"
        await is_known(site, line, more=more)
        await line.ask(site.request("e1", more=more))
        assert site.given == [True]
        await line.ask(site.request("e2", more=more.replace("198.51", "203.0")))
        calls = await site.calls()
        assert [each["network"] for each in calls] == ["198.51.100.0/24"] * 2 + ["203.0.100.0/24"]
        assert {each["agent"] for each in calls} == {"curl"}


async def test_where_requests_are_traced_nothing_is_given_away(site, monkeypatch):
    line = await site.line()
    await is_known(site, line)
    monkeypatch.setattr(tracing, "is_on", lambda: True)
    assert (await line.ask(site.request("e1")))[0] == 200
    assert site.given == [False]


async def test_nor_where_limits_have_to_be_waited_for(database_urls, clean):
    class Elsewhere:
        async def take(self, home: str, wants: Any) -> Any:
            return await site.house.app.state.own.take(home, wants)

    async with a_site(database_urls) as site:
        site.house.app.state.own = site.house.app.state.edge.limiter
        object.__setattr__(site.house.app.state.edge, "limiter", Elsewhere())
        line = await site.line()
        await is_known(site, line)
        assert (await line.ask(site.request("e1")))[0] == 200
        assert site.given == [False]
