"""What comes over the wire and is no good HTTP, at the server as it is run: never 500, and no connection without an end."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from guilder.entrypoints import wire
from guilder.platform.http.shield import ALWAYS

ENOUGH_S = 60
PEACE = b"GET /health HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said_to(port, request, *, ends=True):
    """Send these bytes, and read until the connection is closed: it has to be, in bounded time."""
    async with connected(port) as (reader, writer), asyncio.timeout(ENOUGH_S):
        try:
            writer.write(request)
            await writer.drain()
            if ends:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""


def answers(raw):
    """The statuses of all answers in what came back."""
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


def a_post(*lines, body=b"", path=b"/api/customers"):
    return b"POST " + path + b" HTTP/1.1\r\nHost: us\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


INNER = b"GET /health HTTP/1.1\r\nHost: us\r\nX-Smuggled: 1\r\n\r\n"
# A proxy and we would see another end of the body: one of us would take what is left for a request of its own.
SMUGGLED = {
    "two lengths": a_post(b"Content-Length: 0", b"Content-Length: 50", body=INNER),
    "two lengths in one line": a_post(b"Content-Length: 0, 50", body=INNER),
    "a length and chunks": a_post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER),
    "chunks and a length": a_post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n" + INNER),
    "a length with a sign": a_post(b"Content-Length: +0", body=INNER),
    "a length below nothing": a_post(b"Content-Length: -1", body=INNER),
    "a length in another base": a_post(b"Content-Length: 0x0", body=INNER),
    "a length without end": a_post(b"Content-Length: " + b"9" * 40, body=INNER),
    "a space before the colon": a_post(b"Transfer-Encoding : chunked", b"Content-Length: 0", body=INNER),
    "an unknown coding": a_post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + INNER),
    "chunked twice": a_post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + INNER),
    "chunked, then another": a_post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + INNER),
    "two codings": a_post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + INNER),
    "a folded line": a_post(b"Transfer-Encoding:\r\n chunked", b"Content-Length: 0", body=INNER),
    "a chunk of no number": a_post(b"Transfer-Encoding: chunked", body=b"0x0\r\n\r\n" + INNER),
    "a chunk below nothing": a_post(b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n" + INNER),
    "a chunk without end": a_post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n" + INNER),
    "a header without a name": a_post(b": 5", b"Content-Length: 0", body=INNER),
    "a carriage return alone": b"POST /api/customers HTTP/1.1\rHost: us\rContent-Length: 0\r\r" + INNER,
    "NUL in a name": a_post(b"Content\x00-Length: 0", body=INNER),
    "NUL in a value": a_post(b"X-A: a\x00b", b"Content-Length: 0", body=INNER),
}


@pytest.mark.shows("ASVS 4.2.1", "API8")
@pytest.mark.parametrize("case", SMUGGLED)
async def test_a_body_whose_end_is_in_doubt_ends_the_connection(port, case):
    found = answers(await said_to(port, SMUGGLED[case]))
    assert found == [400], (case, found)


ODD = {
    "an absolute address": b"GET http://169.254.169.254/api/tenant HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n",
    "an address of nothing": b"GET http:// HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "another's server": b"CONNECT 127.0.0.1:5432 HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "everything": b"OPTIONS * HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "a verb of nobody's": b"FROBNICATE / HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "a trace": b"TRACE /api/tenant HTTP/1.1\r\nHost: us\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.0": b"GET /health HTTP/1.0\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: us\r\nConnection: close\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "noise": bytes(range(256)) * 4,
    "nothing": b"",
    "a path in Latin-1": b"GET /api/customers/\xe9\xff HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "a path of broken escapes": b"GET /api/customers/%ff%fe%zz%00 HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "a path upwards": b"GET /files/../../../../etc/passwd HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "no host": b"GET /api/tenant HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET /api/tenant HTTP/1.1\r\nHost: us\r\nHost: evil\r\nConnection: close\r\n\r\n",
    "an upgrade": b"GET /api/tenant HTTP/1.1\r\nHost: us\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "an upgrade to h2c": b"GET /health HTTP/1.1\r\nHost: us\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
    "a token in Latin-1": b"GET /api/tenant HTTP/1.1\r\nHost: us\r\nAuthorization: Bearer \xe9\r\nConnection: close\r\n\r\n",
    "a query of NUL": b"GET /api/customers?email=%00 HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "an address of 100 kB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n",
    "a header of 1 MB": b"GET / HTTP/1.1\r\nHost: us\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "a name of 1 MB": b"GET / HTTP/1.1\r\nHost: us\r\n" + b"a" * 1_000_000 + b": a\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
    "a head without end": b"GET / HTTP/1.1\r\nHost: us\r\nX-A: " + b"a" * 10_000_000,
}


@pytest.mark.shows("fault F6", "API8", "ASVS 4.1.4", "ASVS 16.5.1")
@pytest.mark.parametrize("case", ODD)
async def test_what_is_odd_is_answered_and_the_connection_closed(port, case):
    raw = await said_to(port, ODD[case])
    found = answers(raw)
    assert len(found) <= 1, (case, found)
    assert not [status for status in found if status >= 500 or status == 101], (case, raw[:300])
    assert b"Traceback" not in raw
    assert b"root:" not in raw
    head = raw.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
    if found and found[0] >= 400:
        assert "content-type: application/problem+json" in head, (case, head)
        for name in (*ALWAYS, "content-security-policy", "cache-control"):
            assert f"\r\n{name.lower()}: " in head, (case, name, head)
        assert "\r\nserver: " not in head
    assert answers(await said_to(port, PEACE)) == [200], "others are served all the while"


@pytest.mark.shows("fault F6", "API4")
@pytest.mark.parametrize("size", [wire.HEAD_BYTES_MAX + 1, 10_000_000])
async def test_a_head_has_a_size(port, size):
    raw = await said_to(port, b"GET /health HTTP/1.1\r\nHost: us\r\nX-A: " + b"a" * size + b"\r\n\r\n")
    assert answers(raw) in ([431], []), raw[:300]
    within = b"GET /health HTTP/1.1\r\nHost: us\r\nConnection: close\r\nX-A: " + b"a" * 30_000 + b"\r\n\r\n"
    assert answers(await said_to(port, within)) == [200]


DRIPPING = {
    "a head": (b"GET /health HTTP/1.1\r\n", b"X-A: a\r\n"),
    "a line": (b"GET /health HTTP/1.1\r\nX-A: ", b"a"),
    "an address": (b"GET /", b"a"),
    "empty lines": (b"", b"\r\n"),
    # Refused before its body is read: what still comes of it is nobody's to wait for.
    "a body that nobody wants": (a_post(b"Content-Type: application/json", b"Content-Length: 900000"), b" "),
}


@pytest.mark.shows("fault F6", "API4")
async def test_whoever_drips_is_not_waited_for(port, monkeypatch):
    """All at once: twenty of each kind, and somebody who asks in good order beside them."""
    monkeypatch.setattr(wire, "HEAD_TIMEOUT_S", 1.0)

    async def drip(begin, drop):
        began = time.monotonic()
        async with connected(port) as (reader, writer):
            writer.write(begin)
            reading = asyncio.create_task(reader.read())
            while not reading.done() and time.monotonic() - began < ENOUGH_S:
                try:
                    writer.write(drop)
                    await writer.drain()
                except ConnectionError:
                    break
                await asyncio.sleep(0.1)
            try:
                return await asyncio.wait_for(reading, ENOUGH_S)
            except ConnectionError:
                return b""

    silent = said_to(port, b"", ends=False)
    dripping = [drip(*DRIPPING[case]) for case in DRIPPING for _ in range(20)]
    *found, peace = await asyncio.gather(silent, *dripping, said_to(port, PEACE))
    assert answers(peace) == [200]
    assert {status for raw in found for status in answers(raw)} <= {400, 401, 408}


@pytest.mark.shows("fault F6", "API4")
async def test_a_body_said_to_be_huge_is_refused_before_it_is_sent(port, inside, monkeypatch):
    monkeypatch.setattr(wire, "HEAD_TIMEOUT_S", 1.0)
    asked = await inside.a_sandbox()
    head = (b"Authorization: Bearer " + asked.key.encode(), b"Content-Type: application/json")
    raw = await said_to(port, a_post(*head, b"Content-Length: 104857600", body=b"{"), ends=False)
    assert answers(raw)[:1] == [413], raw[:300]
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"
