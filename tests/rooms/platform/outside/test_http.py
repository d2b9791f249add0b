"""A guarded call …"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guilder.platform.outside.http import Outbound, OutboundPolicy, UnsafeUrl, guarded_client
from guilder.platform.outside.intents import CallFailed

STRICT = OutboundPolicy()
LOOSE = OutboundPolicy(allows_loopback=True)

# How H1 of the guarantees writes an inner address, and what else leads to one.
WRITTEN = [
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://①②⑦.0.0.1/x",
    "https://[::1]/x",
    "https://[::ffff:7f00:1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://[64:ff9b:1::7f00:1]/x",
    "https://[2002:7f00:1::]/x",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/x",
    "https://[fec0::1]/x",
    "https://[fe80::1]/x",
    "https://[fc00::1]/x",
    "https://[::127.0.0.1]/x",
    "https://[::]/x",
    "https://0.0.0.0/x",
    "https://10.0.0.1/x",
    "https://172.16.0.1/x",
    "https://192.168.1.1/x",
    "https://100.100.100.200/x",
    "https://169.254.169.254/latest/meta-data",
    "https://224.0.0.1/x",
    "https://240.0.0.1/x",
    "https://255.255.255.255/x",
    "https://localhost/x",
    "https://localhost./x",
    "https://LOCALHOST/x",
    "https://a.localhost/x",
    "https://printer.local/x",
    "https://metadata.google.internal/x",
    "https://database/x",
    "https://example.com:5432/x",
    "https://example.com:80/x",
    "http://example.com/x",
    "file:///etc/passwd",
    "gopher://example.com/x",
    "ftp://example.com/x",
    "https://user@example.com/x",
    "https://user:secret@example.com/x",
    "https://example.com\\@127.0.0.1/x",
    "https://example.com\t.evil/x",
    "https:///x",
    "//example.com/x",
    "example.com",
    "",
    "https://example.com/" + "x" * 2048,
]
INNER = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "64:ff9b::7f00:1",
    "2002::1",
]


@pytest.mark.shows("fault H1", "ASVS 1.3.6", "API7")
@pytest.mark.parametrize("url", WRITTEN)
def test_is_refused_when_it_is_saved(url: str):
    with pytest.raises(UnsafeUrl):
        STRICT.check(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?a=b", "https://93.184.215.14/x", "https://[2606:4700::1111]/"]
)
def test_is_saved_when_it_is_public(url: str):
    assert STRICT.check(url) == url


def test_of_a_sandbox_may_go_to_this_machine_and_no_further():
    for url in ("http://localhost:4100/hook", "http://127.0.0.1:9/x", "https://[::1]:8443/x", "https://example.com/x"):
        assert LOOSE.check(url) == url
    for url in ("http://10.0.0.1:80/x", "http://example.com/x", "https://169.254.169.254/", "https://example.com:81/"):
        with pytest.raises(UnsafeUrl):
            LOOSE.check(url)


class Canary:
    """Listens on this machine, and counts who connects."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", drip_s: float = 0) -> None:
        self.connections = 0
        self.heard = b""
        self.port = 0
        self._answer = answer
        self._drip_s = drip_s

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heard = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            while self._drip_s:
                await asyncio.sleep(self._drip_s)
                writer.write(b"x")
                await writer.drain()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(canary: Canary, tls: ssl.SSLContext | None = None) -> AsyncIterator[Canary]:
    # One port on both: an IPv6 address must find somebody at home as well.
    server = await asyncio.start_server(canary, "127.0.0.1", 0, ssl=tls)
    canary.port = server.sockets[0].getsockname()[1]
    server6 = await asyncio.start_server(canary, "::1", canary.port, ssl=tls)
    try:
        yield canary
    finally:
        server.close()
        server6.close()


def resolving(*rounds: list[str]):
    left = list(rounds)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


def open_door(port: int, **more) -> OutboundPolicy:
    """Everything but the address is allowed, so that only the rule about addresses can stop a call."""
    return OutboundPolicy(ports=frozenset({port}), allows_http=True, **more)


@asynccontextmanager
async def outbound(policy: OutboundPolicy, **settings) -> AsyncIterator[Outbound]:
    sender = Outbound(policy, **settings)
    try:
        yield sender
    finally:
        await sender.close()


@pytest.mark.shows("fault H2", "SSRF all", "API7", "ASVS 1.3.6")
@pytest.mark.parametrize("inner", INNER)
async def test_to_a_name_that_leads_inside_connects_to_nothing(inner: str):
    async with listening(Canary()) as canary:
        url = f"http://hook.example.com:{canary.port}/x"
        # 93.184.215.14 beside it: one bad answer spoils all. And DNS may say one thing now and another later.
        for answers in ([inner], ["93.184.215.14", inner], [inner, "93.184.215.14"]):
            async with outbound(open_door(canary.port), resolve=resolving(answers)) as sender:
                with pytest.raises(CallFailed, match="not public"):
                    await sender.send("POST", url)
        assert canary.connections == 0


@pytest.mark.shows("fault H1", "SSRF addresses", "API7", "ASVS 13.2.5")
async def test_to_a_written_inner_address_connects_to_nothing_even_past_the_check():
    async with listening(Canary()) as canary, guarded_client(open_door(canary.port)) as client:
        for host in ("127.0.0.1", "[::1]", "[::ffff:7f00:1]", "localhost", "127.1", "2130706433", "0x7f000001"):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://{host}:{canary.port}/x")
        assert canary.connections == 0


async def test_reaches_this_machine_where_that_is_allowed():
    """The control: the canary does sing when the rule lets a call through."""
    async with listening(Canary()) as canary:
        async with outbound(LOOSE, resolve=resolving(["127.0.0.1"])) as sender:
            answer = await sender.send("POST", f"http://localhost:{canary.port}/x", content=b"{}")
        assert (answer.status, answer.body, canary.connections) == (200, b"ok", 1)


@pytest.mark.shows("fault H2", "SSRF pinned", "API7")
async def test_connects_to_the_address_that_was_looked_at_though_the_name_moves_on():
    """Public when it is looked at, inside a moment later: one resolution serves both, so there is no moment."""
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with listening(Canary()) as canary, outbound(LOOSE, resolve=resolve) as sender:
        assert (await sender.send("GET", f"http://localhost:{canary.port}/x")).is_ok
        assert asked == ["localhost"]


@pytest.mark.shows("SSRF pinned", "ASVS 12.3.2")
async def test_names_the_host_in_tls_and_in_the_request_while_connecting_to_its_address(tmp_path):
    server_tls, client_tls, names = certificates(tmp_path, "hook.example.com")
    async with listening(Canary(), server_tls) as canary:
        policy = open_door(canary.port, allows_loopback=True)
        async with outbound(policy, resolve=resolving(["127.0.0.1"]), verify=client_tls) as sender:
            assert (await sender.send("POST", f"https://hook.example.com:{canary.port}/x")).is_ok
            assert names == ["hook.example.com"]
            assert f"host: hook.example.com:{canary.port}".encode() in canary.heard.lower()
            with pytest.raises(CallFailed, match="ConnectError"):
                await sender.send("POST", f"https://other.example.com:{canary.port}/x")


@pytest.mark.shows("SSRF redirects", "ASVS 15.3.2", "fault H2", "API10")
async def test_follows_no_redirect():
    async with listening(Canary()) as inner:
        to = f"HTTP/1.1 302 Found\r\nlocation: http://localhost:{inner.port}/\r\ncontent-length: 0\r\n\r\n"
        canary = Canary(to.encode())
        async with listening(canary), outbound(LOOSE, resolve=resolving(["127.0.0.1"])) as sender:
            answer = await sender.send("GET", f"http://localhost:{canary.port}/x")
        assert (answer.status, answer.is_ok, inner.connections) == (302, False, 0)


@pytest.mark.shows("SSRF size", "fault H3")
async def test_reads_no_more_than_64_kilobytes():
    big = b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 5_000_000
    async with listening(Canary(big)) as canary, outbound(LOOSE, resolve=resolving(["127.0.0.1"])) as sender:
        answer = await sender.send("GET", f"http://localhost:{canary.port}/x")
    assert (len(answer.body), answer.is_cut) == (64 * 1024, True)


@pytest.mark.shows("SSRF times", "fault H3", "fault D10")
async def test_gives_up_on_an_answer_that_drips():
    canary = Canary(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", drip_s=0.05)
    async with listening(canary), outbound(LOOSE, resolve=resolving(["127.0.0.1"]), total_timeout_s=0.4) as sender:
        with pytest.raises(CallFailed, match="no answer within"):
            await sender.send("GET", f"http://localhost:{canary.port}/x")


async def test_heeds_no_proxy_from_the_environment(monkeypatch):
    async with listening(Canary()) as canary:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{canary.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{canary.port}")
        async with outbound(open_door(canary.port), resolve=resolving(["10.0.0.1"])) as sender:
            with pytest.raises(CallFailed):
                await sender.send("GET", f"http://hook.example.com:{canary.port}/x")
        assert canary.connections == 0


@pytest.mark.parametrize(("said", "seconds"), [("120", 120.0), ("soon", None), ("-1", None), ("", None)])
async def test_hands_on_what_the_other_side_asks_for(said: str, seconds: float | None):
    canary = Canary(f"HTTP/1.1 429 Slow\r\nretry-after: {said}\r\ncontent-length: 0\r\n\r\n".encode())
    async with listening(canary), outbound(LOOSE, resolve=resolving(["127.0.0.1"])) as sender:
        answer = await sender.send("GET", f"http://localhost:{canary.port}/x")
    assert (answer.status, answer.retry_after_s) == (429, seconds)


def certificates(folder, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str]]:
    """Make a server's certificate for `name`, a client that trusts it, and a list of the names asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    names: list[str] = []
    server.sni_callback = lambda _, asked, __: names.append(asked) if asked == name else None
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem")), names


@pytest.mark.shows("SSRF addresses", "fault H1", "ASVS 13.2.5")
def test_permits_no_address_that_is_not_public():
    for text in [*INNER, "fec0::1", "::5", "2001:0:1::1", "192.0.2.1", "198.18.0.1", "ff02::1", "240.0.0.1"]:
        assert not STRICT.permits(ipaddress.ip_address(text)), text
    for text in ("93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14"):
        assert STRICT.permits(ipaddress.ip_address(text)), text
