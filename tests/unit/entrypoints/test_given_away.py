"""A request whose head was read before is given away unread: it is answered byte for byte as one that was read."""

import asyncio
from typing import Any

import pytest

from guilder.entrypoints import wire as wires
from guilder.platform.http import handed
from guilder.platform.http.handed import Handed
from guilder.platform.http.whole import Waits, lines_of, whole
from tests.unit.entrypoints.test_wire import FIRST, HEAD, AtOneGo, Transport, answered, connected, settled

SENT = b"POST /first HTTP/1.1\r\nHost: us\r\nContent-Length: 4\r\n\r\nbody"
OTHER = SENT.replace(b"body", b"more")
LONGER = SENT.replace(b": 4", b": 6").replace(b"body", b"bodies")
END = SENT.find(b"\r\n\r\n") + 4
BEGUN = Handed(None, RuntimeError("it came to nothing"))


class Takes(AtOneGo):
    """An application that is given what has a head that it answered before, and answers when it is let."""

    def __init__(self, *, is_quick: bool = True, fails: bool = False, status: int = 200) -> None:
        super().__init__(takes=True, status=status)
        self.is_quick, self.fails_again = is_quick, fails
        self.known: dict[bytes, int] = {}
        self.given: list[tuple[bytes, str]] = []
        self.waiting: list[Waits] = []
        self.handed: list[Any] = []
        self.said: list[bytes | None] = []

    def has_read(self, head: bytes) -> bool:
        return head in self.known

    def gather_again(self, head: bytes, body: bytes, peer: str, waits: Waits) -> bool:
        if self.fails_again:
            raise RuntimeError
        if self.known.get(head) != len(body):
            return False
        self.given.append((body, peer))
        self.waiting.append(waits)
        if self.is_quick:
            asyncio.get_running_loop().call_soon(self.answer)
        return True

    def answer(self) -> None:
        self.ways.append("given away")
        self.waiting.pop(0).answer(self.status, lines_of(HEAD), b"{}")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.handed.append(handed.handed(scope))
        found = whole(scope)
        assert found is not None
        self.said.append(found.said())
        await super().__call__(scope, receive, send)
        said, length = found.said(), int(dict(scope["headers"]).get(b"content-length", b"0"))
        if said is not None and len(said) - said.find(b"\r\n\r\n") - 4 in (0, length) and length:
            self.known[said[: said.find(b"\r\n\r\n") + 4]] = length


@pytest.fixture
def peered(monkeypatch):
    """Have connections come from somewhere."""
    as_ever = wires.Wire.connection_made

    def made(self, transport):
        as_ever(self, transport)
        self.client = ("192.0.2.7", 1)

    monkeypatch.setattr(wires.Wire, "connection_made", made)


async def known(app: Takes) -> Takes:
    """Have the head of what is sent read."""
    is_quick, app.is_quick = app.is_quick, True
    await answered(app, SENT)
    app.is_quick = is_quick
    app.ways.clear()
    return app


async def in_turns(app: Takes, *pieces: bytes) -> Transport:
    wire, transport = connected(app)
    for each in pieces:
        wire.data_received(each)
        await settled()
    wire.connection_lost(None)
    return transport


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "pieces", [(SENT,), (SENT, OTHER, SENT), (SENT[:END], SENT[END:]), (FIRST, SENT, FIRST)], ids=len
)
async def test_it_is_answered_byte_for_byte_as_what_is_read(peered, pieces, status):
    app = await known(Takes(status=status))
    said = (await in_turns(app, *pieces)).said
    assert said == (await in_turns(Takes(status=status), *pieces)).said
    assert app.ways.count("given away") == sum(each.count(b"POST") for each in pieces)
    assert {peer for _, peer in app.given} == {"192.0.2.7"}


async def test_its_body_is_its_own(peered):
    app = await known(Takes())
    await in_turns(app, SENT, OTHER)
    assert [body for body, _ in app.given] == [b"body", b"more"]


@pytest.mark.parametrize(
    "pieces",
    [
        (SENT[:9], SENT[9:]),
        (SENT[: END - 1], SENT[END - 1 :]),
        (SENT[:-2], SENT[-2:]),
        (SENT[:END], SENT[END:-2], SENT[-2:]),
        (SENT + OTHER,),
        (SENT + FIRST,),
        (SENT + FIRST[:9], FIRST[9:]),
        (LONGER,),
        (SENT.replace(b"us", b"uS"),),
        (b"\r\n" + SENT,),
    ],
    ids=[
        "in pieces",
        "nearly a head",
        "half a body",
        "a body in pieces",
        "two at once",
        "with another",
        "one and a half",
        "another length",
        "another head",
        "a line before it",
    ],
)
async def test_what_did_not_come_whole_and_alone_is_read(peered, pieces):
    app = await known(Takes())
    said = (await in_turns(app, *pieces)).said
    assert said == (await in_turns(Takes(), *pieces)).said
    assert not app.given
    assert said.count(b"HTTP/1.1 200 OK") == b"".join(pieces).count(b" /first")


async def test_nothing_is_remembered_of_what_came_in_pieces_or_not_alone(peered):
    for pieces in ((SENT[:9], SENT[9:]), (SENT + OTHER,), (FIRST[:9], FIRST[9:] + SENT)):
        app = Takes()
        await in_turns(app, *pieces)
        assert SENT not in app.said, pieces
        assert SENT[:END] not in app.known or app.known[SENT[:END]] != 4, pieces


async def test_what_comes_behind_it_is_answered_after_it_and_no_more_is_read_until_then(peered, monkeypatch):
    reading = []
    monkeypatch.setattr(Transport, "pause_reading", lambda self: reading.append("paused"))
    monkeypatch.setattr(Transport, "resume_reading", lambda self: reading.append("resumed"))
    app = await known(Takes(is_quick=False))
    wire, transport = connected(app)
    wire.data_received(SENT)
    wire.data_received(OTHER[:9])
    wire.data_received(OTHER[9:] + FIRST)
    await settled()
    assert (transport.said, app.ways, reading) == (b"", [], ["paused"])
    app.answer()
    await settled()
    assert app.ways == ["given away", "at one go", "at one go"]
    assert app.bodies[-2:] == [b"more", b""]
    assert "resumed" in reading
    assert transport.said.count(b"HTTP/1.1 200 OK") == 3
    wire.connection_lost(None)


async def test_what_came_to_nothing_is_read_and_the_application_told_what_was_begun(peered):
    app = await known(Takes(is_quick=False))
    wire, transport = connected(app)
    wire.data_received(SENT)
    wire.data_received(OTHER)
    assert app.waiting.pop().read_as_ever(BEGUN)
    await settled()
    assert app.handed[-2:] == [BEGUN, None]
    assert app.bodies[-2:] == [b"body", b"more"]
    assert transport.said.count(b"HTTP/1.1 200 OK") == 2
    wire.connection_lost(None)


async def test_so_is_what_comes_to_nothing_at_once(peered, monkeypatch):
    app = await known(Takes())
    monkeypatch.setattr(app, "gather_again", lambda head, body, peer, waits: waits.read_as_ever(BEGUN))
    transport = await in_turns(app, SENT)
    assert app.handed[-1] is BEGUN
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1


async def test_where_giving_it_away_fails_it_is_read(peered):
    app = await known(Takes())
    app.fails_again = True
    assert (await in_turns(app, SENT)).said.count(b"HTTP/1.1 200 OK") == 1
    assert app.ways == ["at one go"]


@pytest.mark.parametrize("way", ["answered", "came to nothing"])
async def test_who_went_away_is_told_nothing(peered, way):
    app = await known(Takes(is_quick=False))
    asked = len(app.handed)
    wire, transport = connected(app)
    wire.data_received(SENT)
    wire.connection_lost(None)
    if way == "answered":
        app.answer()
    else:
        assert not app.waiting.pop().read_as_ever(BEGUN)
    await settled()
    assert (transport.said, len(app.handed)) == (b"", asked)


@pytest.mark.parametrize("way", ["answered", "came to nothing"])
async def test_a_process_that_ends_answers_first_and_closes_then(peered, way):
    app = await known(Takes(is_quick=False))
    wire, transport = connected(app)
    wire.data_received(SENT)
    wire.shutdown()
    assert not transport.is_closed
    if way == "answered":
        app.answer()
    else:
        app.takes = False
        assert app.waiting.pop().read_as_ever(BEGUN)
    await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1
    assert transport.is_closed
    wire.connection_lost(None)


async def test_a_connection_that_waits_is_not_closed_for_keeping_still_and_then_is(peered):
    app = await known(Takes(is_quick=False))
    wire, _ = connected(app)
    wire.data_received(FIRST)
    await settled()
    wire.data_received(SENT)
    assert wire.timeout_keep_alive_task is None
    assert wire._patience is None
    app.answer()
    assert wire.timeout_keep_alive_task is not None
    assert wire._patience is not None
    wire.connection_lost(None)


async def test_a_head_whose_body_does_not_come_is_read_when_patience_ends(peered, monkeypatch):
    monkeypatch.setattr(wires, "HEAD_TIMEOUT_S", 0.01)
    app = await known(Takes())
    asked, app.takes = len(app.bodies), False
    wire, transport = connected(app)
    wire.data_received(SENT[:END])
    await asyncio.sleep(0.05)
    assert (transport.is_closed, app.given) == (False, [])
    assert app.bodies[asked:] == [None]
    wire.data_received(SENT[END:])
    await settled()
    assert transport.said.count(b"HTTP/1.1 200 OK") == 1
    wire.connection_lost(None)


@pytest.mark.parametrize("end", ["lost", "shutdown"])
async def test_nor_is_it_forgotten_by_whose_connection_ends(peered, end):
    app = await known(Takes())
    asked = len(app.handed)
    wire, transport = connected(app)
    wire.data_received(SENT[:END])
    if end == "lost":
        wire.connection_lost(None)
    else:
        wire.shutdown()
        assert not transport.is_closed
        wire.data_received(SENT[END:])
    await settled()
    assert len(app.handed) == asked + 1
    assert transport.said.count(b"HTTP/1.1 200 OK") == (end == "shutdown")
    assert transport.is_closed
    assert not app.given


async def test_a_head_that_nobody_read_does_not_wait(peered):
    app = Takes()
    wire, _ = connected(app)
    wire.data_received(SENT[:END])
    await settled()
    assert app.bodies == [None]
    wire.connection_lost(None)


async def test_who_does_not_read_is_not_given_more_to_read(peered):
    app = await known(Takes())
    wire, _ = connected(app)
    wire.pause_writing()
    wire.data_received(SENT)
    assert not app.given
    wire.connection_lost(None)
