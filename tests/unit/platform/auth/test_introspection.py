"""An external auth service is asked what a token is worth; no answer is no."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from guilder.kernel.errors import Unauthenticated
from guilder.platform.auth.introspection import AuthService, IntrospectionUnavailable, Introspector
from tests.support.identity_provider import NOW, Seconds, serving

AT = int(NOW.timestamp())
GOOD = {"active": True, "sub": "user_1", "exp": AT + 600, "client_id": "app", "org_id": "org_1", "org_role": "billing"}


@asynccontextmanager
async def a_service(answer, **about):
    seconds = Seconds()
    state = {"answer": answer}
    async with serving(lambda _: state["answer"]) as server, httpx.AsyncClient(trust_env=False) as client:
        service = AuthService(f"{server.url}/introspect", "https://auth.test", "guilder", "s3cret", **about)
        yield Introspector(service, client=client, monotonic=seconds), server, seconds, state


async def test_a_good_answer_says_who_and_is_believed_for_thirty_seconds():
    async with a_service((200, GOOD)) as (auth, server, seconds, state):
        token = await auth.verify("opaque", now=NOW)
        assert (token.issuer, token.subject, token.organization_id, token.role) == (
            "https://auth.test",
            "user_1",
            "org_1",
            "billing",
        )
        assert server.bodies == ["token=opaque&token_type_hint=access_token"]
        state["answer"] = (200, {"active": False})
        seconds.move(29)
        assert await auth.verify("opaque", now=NOW)
        assert len(server.asked) == 1
        seconds.move(1)
        with pytest.raises(Unauthenticated):
            await auth.verify("opaque", now=NOW)


async def test_an_answer_is_never_believed_beyond_the_tokens_end():
    async with a_service((200, {**GOOD, "exp": AT + 10})) as (auth, _, _seconds, _state):
        assert await auth.verify("opaque", now=NOW)
        with pytest.raises(Unauthenticated):
            await auth.verify("opaque", now=NOW + timedelta(seconds=10))


async def test_a_bad_answer_is_remembered_for_five_seconds():
    async with a_service((200, {"active": False})) as (auth, server, seconds, state):
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await auth.verify("opaque", now=NOW)
        assert len(server.asked) == 1
        state["answer"] = (200, GOOD)
        seconds.move(5)
        assert await auth.verify("opaque", now=NOW)


@pytest.mark.shows("ASVS 16.5.3")
@pytest.mark.parametrize("answer", [(500, {}), (401, {}), (302, {}), (200, b"x"), (200, []), (200, {"active": "true"})])
async def test_no_readable_answer_lets_nobody_in_and_is_not_remembered(answer):
    async with a_service(answer) as (auth, server, _, state):
        with pytest.raises(IntrospectionUnavailable):
            await auth.verify("opaque", now=NOW)
        state["answer"] = (200, GOOD)
        assert await auth.verify("opaque", now=NOW)
    assert len(server.asked) == 2


@pytest.mark.shows("ASVS 9.2.3", "ASVS 10.3.1")
@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None},
        {"sub": 7},
        {"exp": AT},
        {"exp": str(AT + 60)},
        {"nbf": AT + 60},
        {"iss": "https://evil.test"},
        {"aud": "other"},
        {"token_type": "refresh_token"},
        {"org_id": 7},
    ],
    ids=str,
)
async def test_an_active_token_that_is_not_for_us_is_refused(changes):
    async with a_service((200, {**GOOD, "aud": "billing", **changes}), audiences=frozenset({"billing"})) as (auth, *_):
        with pytest.raises(Unauthenticated):
            await auth.verify("opaque", now=NOW)


async def test_one_question_for_a_token_is_under_way_at_a_time():
    async with a_service((200, GOOD)) as (auth, server, *_):
        server.delay_s = 0.05
        await asyncio.gather(*(auth.verify("opaque", now=NOW) for _ in range(50)))
    assert len(server.asked) == 1


@pytest.mark.parametrize("token", ["", "x" * 8_193, "a\r\nb", "é"])
async def test_what_cannot_be_a_token_is_refused_unasked(token):
    async with a_service((200, GOOD)) as (auth, server, *_):
        with pytest.raises(Unauthenticated):
            await auth.verify(token, now=NOW)
    assert server.asked == []
