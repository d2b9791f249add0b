"""An address that somebody types (H1 and H2 of the guarantees, API7) …"""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord

from guilder.platform.auth.jwks import JwksKeys
from guilder.platform.outside.http import Outbound, OutboundPolicy, guarded_client
from guilder.platform.outside.intents import CallFailed
from tests.support.receiver import receiving

# Where the inside is, written in every way that some parser reads as an address.
INNER = [
    "https://10.0.0.1/keys",
    "https://172.16.0.1/keys",
    "https://192.168.1.1/keys",
    "https://100.100.100.200/latest",
    "https://169.254.169.254/latest/meta-data",
    "https://metadata.google.internal/keys",
    "https://printer.local/keys",
    "https://database/keys",
    "https://127.1/keys",
    "https://2130706433/keys",
    "https://0x7f000001/keys",
    "https://0177.0.0.1/keys",
    "https://①②⑦.0.0.1/keys",
    "https://[::ffff:10.0.0.1]/keys",
    "https://[64:ff9b::7f00:1]/keys",
    "https://[2002:7f00:1::]/keys",
    "https://[fec0::1]/keys",
    "https://[fe80::1]/keys",
    "https://0.0.0.0/keys",
    "https://example.com:5432/keys",
    "https://user@example.com/keys",
    "https://example.com\\@127.0.0.1/keys",
    "http://example.com/keys",
    "file:///etc/passwd",
    "gopher://example.com/keys",
]
SIGNED = {
    "kind": "oidc",
    "issuer": "https://idp.example.com",
    "audience": "us",
    "jwks_url": "https://idp.example.com/k",
}
ASKED = {
    "kind": "introspection",
    "issuer": "https://idp.example.com",
    "introspection_url": "https://idp.example.com/i",
    "client_id": "us",
    "client_secret": "s",
}
PLACES = {
    "webhook endpoint": ("/api/webhook-endpoints", {"events": ["*"]}, ("url",)),
    "key set": ("/api/token-trusts", SIGNED, ("jwks_url",)),
    "discovery": ("/api/token-trusts", {**SIGNED, "jwks_url": ""}, ("issuer",)),
    "introspection": ("/api/token-trusts", ASKED, ("issuer", "introspection_url")),
}


@pytest.mark.shows("API7", "fault H1")
@pytest.mark.parametrize("place", PLACES)
async def test_is_refused_when_it_is_saved_wherever_one_is_typed(inside, place):
    path, body, fields = PLACES[place]
    asked = await inside.a_sandbox()
    for url in INNER:
        answer = await asked("POST", path, json={**body, **dict.fromkeys(fields, url)})
        assert answer.status_code == 422, (place, url, answer.status_code, answer.text)
        assert "root:" not in answer.text


class Names:
    """A DNS server of an attacker: it says what it likes, each time anew, and that nobody should remember it."""

    def __init__(self):
        self.rounds = []
        self.asked = []

    def says(self, *rounds):
        """Say these, one round for each question, the last for ever: lists of addresses, or of a name."""
        self.rounds, self.asked = list(rounds), []

    def answer(self, packet):
        question = DNSRecord.parse(packet)
        name, kind = str(question.q.qname), QTYPE[question.q.qtype]
        self.asked.append(kind)
        at = (len(self.asked) - 1) // 2  # each resolution asks for both kinds
        reply = question.reply()
        for said in self.rounds[min(at, len(self.rounds) - 1)]:
            if said.endswith("."):
                reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(said), ttl=0))
            elif (":" in said) == (kind == "AAAA"):
                reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=(AAAA if ":" in said else A)(said), ttl=0))
        return reply.pack()


class _Server(asyncio.DatagramProtocol):
    def __init__(self, names):
        self.names = names

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(self.names.answer(data), address)


@asynccontextmanager
async def a_name_server():
    """Serve names on this machine; also give what asks there instead of the system's resolver."""
    names, loop = Names(), asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(lambda: _Server(names), local_addr=("127.0.0.1", 0))
    port = server.get_extra_info("sockname")[1]

    def ask(host, kind):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(20)
            wire.sendto(DNSRecord.question(host, kind).pack(), ("127.0.0.1", port))
            return DNSRecord.parse(wire.recv(4096))

    async def resolve(host, _port):
        found = []
        for kind in ("A", "AAAA"):
            reply = await asyncio.to_thread(ask, host, kind)
            # A name that leads to another name of this machine's is followed, as a resolver would.
            found += ["127.0.0.1" if each.rtype == QTYPE.CNAME else str(each.rdata) for each in reply.rr]
        return found

    try:
        yield names, resolve
    finally:
        server.close()


PUBLIC = "93.184.215.14"
REBINDINGS = {
    "inside from the start": (["127.0.0.1"],),
    "inside by its other family": (["::1"],),
    "public beside inside": ([PUBLIC, "127.0.0.1"],),
    "inside beside public": (["127.0.0.1", PUBLIC],),
    "A public, AAAA inside": ([PUBLIC, "::1"],),
    "AAAA public, A inside": (["2606:4700::1111", "127.0.0.1"],),
    "mapped": (["::ffff:7f00:1"],),
    "through NAT64": (["64:ff9b::7f00:1"],),
    "through 6to4": (["2002:7f00:1::"],),
    "of a cloud's metadata": (["169.254.169.254"],),
    "shared address space": (["100.100.100.200"],),
    "another name's": (["localhost."],),
    "nowhere": ([],),
}


@pytest.mark.shows("API7", "fault H2")
@pytest.mark.parametrize("case", REBINDINGS)
async def test_is_not_connected_to_when_its_name_leads_inside(case):
    async with a_name_server() as (names, resolve), receiving() as canary:
        policy = OutboundPolicy(ports=frozenset({canary.port}), allows_http=True)
        url = f"http://hook.evil.example:{canary.port}/"
        names.says(*REBINDINGS[case])
        sender = Outbound(policy, resolve=resolve, total_timeout_s=20)
        try:
            with pytest.raises(CallFailed, match=r"not public|leads nowhere"):
                await sender.send("POST", url, content=b"{}")
        finally:
            await sender.close()
        assert names.asked == ["A", "AAAA"], "the name server was asked, once"
        assert canary.connections == 0


@pytest.mark.shows("API7", "fault H2")
async def test_is_looked_at_again_for_each_connection_and_not_trusted_for_what_it_once_was():
    """The very trick: the first connection is let through, and the name moves inside before the second."""
    async with a_name_server() as (names, resolve), receiving() as canary:
        loose = OutboundPolicy(ports=frozenset({canary.port}), allows_http=True, allows_loopback=True)
        names.says(["127.0.0.1"], ["10.0.0.1"])
        async with guarded_client(loose, resolve=resolve) as client:
            url, close = f"http://hook.evil.example:{canary.port}/", {"connection": "close"}
            assert (await client.get(url, headers=close)).status_code == 200
            with pytest.raises(httpx.ConnectError, match="not public"):
                await client.get(url, headers=close)
        assert names.asked == ["A", "AAAA"] * 2
        assert canary.connections == 1


@pytest.mark.shows("API7", "ASVS 9.1.3", "fault H1")
async def test_of_keys_is_not_knocked_at_when_it_was_saved_all_the_same():
    async with a_name_server() as (names, resolve), receiving() as canary:
        names.says([PUBLIC, "127.0.0.1"])
        policy = OutboundPolicy(ports=frozenset({443, canary.port}), allows_http=True)
        async with guarded_client(policy, resolve=resolve) as client:
            keys = JwksKeys(f"https://keys.evil.example:{canary.port}/", client=client, monotonic=lambda: 0.0)
            with pytest.raises(Exception, match="keys cannot be had"):
                await keys.find("k1")
        assert canary.connections == 0
