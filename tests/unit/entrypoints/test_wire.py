"""An answer that is at hand is written where the request was read: byte for byte the one that the application would send."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from guilder.entrypoints.wire import Wire
from guilder.platform.http.whole import whole

HEAD = ((b"content-type", b"application/json"), (b"x-own", b"1"), (b"content-length", b"2"))
FIRST = b"GET /first HTTP/1.1\r\nHost: us\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: us\r\n\r\n"


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.said = b""
        self.is_closed = False

    def get_extra_info(self, name: str) -> Any:
        return None

    def write(self, said: bytes) -> None:
        self.said += said

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Asked:
    """An application of one answer, which it has at hand for the paths that it is told."""

    def __init__(self, *at_hand: str, fails: bool = False, status: int = 200) -> None:
        self.at_hand, self.fails, self.status = at_hand, fails, status
        self.ways: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.heads: dict[bytes, Any] = {}

    def at_once(self, scope: Any) -> tuple[Sequence[tuple[bytes, bytes]], bytes] | None:
        if self.fails:
            raise RuntimeError
        if scope["path"] not in self.at_hand:
            return None
        self.ways.append(f"at once {scope['path']}")
        return HEAD, b"{}"

    def remember(self, head: bytes, scope: Any) -> None:
        self.heads[head] = scope

    def at_once_again(self, head: bytes) -> tuple[Sequence[tuple[bytes, bytes]], bytes] | None:
        found = self.at_once(self.heads[head]) if head in self.heads else None
        if found is not None:
            self.ways[-1] = f"again {self.heads[head]['path']}"
        return found

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.ways.append(f"as ever {scope['path']}")
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": list(HEAD)})
        await send({"type": "http.response.body", "body": b"{}"})


def connected(app: Asked) -> tuple[Wire, Transport]:
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, http=Wire, ws="none")
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today"), (b"server", b"us")]
    wire, transport = Wire(config=config, server_state=state, app_state={}), Transport()
    wire.connection_made(transport)  # type: ignore[arg-type]
    return wire, transport


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def answered(app: Asked, *pieces: bytes) -> Transport:
    wire, transport = connected(app)
    for each in pieces:
        wire.data_received(each)
    await settled()
    wire.connection_lost(None)
    return transport


@pytest.mark.parametrize("pieces", [(FIRST,), (FIRST, FIRST), (FIRST + OTHER + FIRST,), (FIRST[:9], FIRST[9:])])
async def test_what_is_at_hand_is_answered_byte_for_byte_as_ever(pieces):
    quick, slow = Asked("/first", "/other"), Asked()
    said = (await answered(quick, *pieces)).said
    assert said == (await answered(slow, *pieces)).said
    assert said.startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\n")
    assert said.count(b"\r\n\r\n{}") == b"".join(pieces).count(b"GET")
    assert quick.ways[0].startswith("at once")
    assert {each.split(" /")[0] for each in quick.ways} <= {"at once", "again"}
    assert {each[:7] for each in slow.ways} == {"as ever"}


async def test_who_asks_again_word_for_word_is_not_read_again():
    app = Asked("/first", "/other")
    transport = await answered(app, FIRST, FIRST, OTHER, FIRST, OTHER)
    assert app.ways == ["at once /first", "again /first", "at once /other", "again /first", "again /other"]
    assert transport.said.count(b"\r\n\r\n{}") == 5


@pytest.mark.parametrize(
    "pieces",
    [(FIRST[:9], FIRST[9:]), (FIRST + OTHER,), (OTHER + FIRST,), (FIRST + OTHER[:9], OTHER[9:])],
    ids=["in pieces", "two at once", "and the other way round", "one and a half"],
)
async def test_what_did_not_come_whole_and_alone_is_always_read(pieces):
    app = Asked("/first", "/other")
    await answered(app, *pieces, *pieces)
    assert not app.heads
    assert not any(each.startswith("again") for each in app.ways)


async def test_nor_is_it_answered_before_what_was_asked_before():
    app = Asked("/first")
    wire, transport = connected(app)
    wire.data_received(FIRST)
    app.may_answer.clear()
    wire.data_received(OTHER)
    wire.data_received(FIRST)
    await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1
    app.may_answer.set()
    await settled()
    assert app.ways == ["at once /first", "as ever /other", "at once /first"]
    wire.pause_writing()
    wire.data_received(FIRST)
    assert "again /first" not in app.ways
    wire.connection_lost(None)


async def test_a_connection_that_asks_word_for_word_again_is_patient_for_the_next_head_as_ever():
    app = Asked("/first")
    wire, _ = connected(app)
    wire.data_received(FIRST)
    first = wire._patience, wire.timeout_keep_alive_task
    wire.data_received(FIRST)
    assert app.ways[-1] == "again /first"
    assert first[0].cancelled()
    assert first[1].cancelled()
    assert wire._patience is not None
    assert wire.timeout_keep_alive_task is not None
    wire.data_received(FIRST[:9])
    wire.data_received(FIRST[9:])
    assert app.ways[-1] == "at once /first"
    wire.connection_lost(None)


@pytest.mark.parametrize(
    "request_", [b"GET /first HTTP/1.0\r\n\r\n", b"GET /first HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n"]
)
async def test_the_last_answer_of_a_connection_takes_the_whole_way(request_):
    app = Asked("/first")
    transport = await answered(app, request_)
    assert app.ways == ["as ever /first"]
    assert re.findall(rb"\r\nconnection: close\r\n", transport.said)
    assert transport.is_closed


async def test_answers_keep_the_order_of_what_was_asked():
    app = Asked("/first")
    app.may_answer.clear()
    wire, transport = connected(app)
    wire.data_received(OTHER + FIRST * 500)
    await settled()
    assert transport.said == b""
    app.may_answer.set()
    for _ in range(100):
        await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 501
    assert app.ways[0] == "as ever /other"
    wire.connection_lost(None)


async def test_what_fails_at_once_is_asked_of_the_application():
    app = Asked("/first", fails=True)
    assert (await answered(app, FIRST)).said.count(b"HTTP/1.1 200 OK") == 1
    assert app.ways == ["as ever /first"]


async def test_a_connection_that_does_not_read_is_waited_for():
    app = Asked("/first")
    wire, transport = connected(app)
    wire.pause_writing()
    wire.data_received(FIRST)
    await settled()
    assert transport.said == b""
    wire.resume_writing()
    await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1
    wire.connection_lost(None)


class AtOneGo(Asked):
    """An application that takes what was sent and answers at one go, where the connection offers that."""

    def __init__(self, *, takes: bool, status: int = 200) -> None:
        super().__init__(status=status)
        self.takes = takes
        self.bodies: list[bytes | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.may_answer.wait()
        found = whole(scope)
        assert found is not None
        self.bodies.append(found.body())
        if self.takes and found.answer(self.status, HEAD, b"{}"):
            self.ways.append("at one go")
            return
        received = await receive()
        self.ways.append(f"received {received['body'].decode()}")
        await super().__call__(scope, receive, send)


SENT = b"POST /first HTTP/1.1\r\nHost: us\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("pieces", [(SENT,), (SENT, SENT), (SENT + SENT + FIRST,), (SENT[:9], SENT[9:])])
async def test_what_is_answered_at_one_go_is_byte_for_byte_what_is_sent(pieces, status):
    quick, slow = AtOneGo(takes=True, status=status), AtOneGo(takes=False, status=status)
    said = (await answered(quick, *pieces)).said
    assert said == (await answered(slow, *pieces)).said
    assert said.count(b"\r\n\r\n{}") == b"".join(pieces).count(b"HTTP/1.1")
    assert set(quick.ways) == {"at one go"}
    assert slow.ways.count("received body") == b"".join(pieces).count(b"POST")
    assert quick.bodies.count(b"body") == b"".join(pieces).count(b"POST")


async def test_a_body_is_not_there_before_all_of_it_came():
    app = AtOneGo(takes=False)
    wire, _ = connected(app)
    wire.data_received(SENT[:-2])
    await settled()
    assert app.bodies == [None]
    wire.connection_lost(None)


async def test_nor_is_it_there_when_nobody_is():
    app = AtOneGo(takes=True)
    app.may_answer.clear()
    wire, transport = connected(app)
    wire.data_received(SENT)
    await settled()
    wire.connection_lost(None)
    app.may_answer.set()
    await settled()
    assert (app.bodies, transport.said) == ([None], b"")


@pytest.mark.parametrize("last", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"])
async def test_the_last_answer_is_not_written_at_one_go(last):
    app = AtOneGo(takes=True)
    transport = await answered(app, SENT.replace(b"HTTP/1.1\r\n", last))
    assert "at one go" not in app.ways
    assert transport.said.count(b"\r\nconnection: close\r\n") == 1
    assert transport.is_closed


async def test_nor_is_any_to_a_connection_that_does_not_read():
    app = AtOneGo(takes=True)
    wire, transport = connected(app)
    wire.pause_writing()
    wire.data_received(SENT)
    await settled()
    assert transport.said == b""
    wire.resume_writing()
    await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1
    assert "at one go" not in app.ways
    wire.connection_lost(None)
