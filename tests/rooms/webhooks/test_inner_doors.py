"""An inner door (H1 and H2 of the guarantees) …"""

import pytest

from guilder.domain.identity.model import Mode
from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.model import Status, Wish
from guilder.platform.outside.http import Outbound, OutboundPolicy, UnsafeUrl
from tests.support.builders.identity import NOW
from tests.support.database import connected
from tests.support.receiver import answering

# How H1 writes an inner address; {port} is the canary's.
WRITTEN = [
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://①②⑦.0.0.1:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://100.100.100.200/latest",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/",
    "https://[fec0::1]/",
    "https://localhost:{port}/",
    "https://localhost.:{port}/",
    "https://a.localhost:{port}/",
    "http://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "https://example.com:5432/",
    "http://example.com/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
]


@pytest.fixture
async def open_to_the_canary(make_ground):
    """A tenant's ground whose public calls may use the canary's port: only its address stands in the way."""

    async def make(receiver, resolve=None):
        policy = OutboundPolicy(ports=frozenset({443, receiver.port}), allows_http=True)
        return await make_ground(mode=Mode.LIVE, public=Outbound(policy, resolve=resolve, total_timeout_s=2))

    return make


async def force(ground, endpoint, url):
    """Write an address as if it had been saved before the rule, or behind its back."""
    async with connected(ground.admin_url) as admin:
        await admin.execute("update webhooks.endpoints set url = $2 where id = $1", endpoint.id, url)


@pytest.mark.shows("fault H1", "SSRF ports", "ASVS 1.3.6")
@pytest.mark.parametrize("written", WRITTEN)
async def test_is_refused_when_it_is_saved(ground, written):
    async with ground.tx() as tx:
        wish = Wish(url=written.format(port=ground.receiver.port), events=("*",))
        with pytest.raises(UnsafeUrl) as refused:
            await webhooks.create(tx, wish=wish, may_loop=True, now=NOW)
    assert refused.value.field == "url"


@pytest.mark.shows("fault H1", "SW ssrf", "API7")
@pytest.mark.parametrize("written", WRITTEN)
async def test_is_not_knocked_at_when_it_was_saved_all_the_same(open_to_the_canary, receiver, written):
    ground = await open_to_the_canary(receiver)
    endpoint, _ = await ground.an_endpoint(url="https://example.com/hook", allows_loopback=False)
    await force(ground, endpoint, written.format(port=receiver.port))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    assert (delivery.status, attempt.status, bool(attempt.error)) == (Status.PENDING, None, True)
    assert receiver.connections == 0


@pytest.mark.shows("fault H2", "SW ssrf", "SSRF pinned", "API7")
@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["::1"], ["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "2606:4700::1111"], ["::ffff:127.0.0.1"]],
)
async def test_that_a_name_leads_to_since_it_was_saved_is_not_knocked_at(open_to_the_canary, receiver, answers):
    """Whatever a name says at any instant: the very addresses looked at are connected to, and one bad spoils all."""
    asked = []

    async def rebound(host, port):
        asked.append(host)
        return answers

    ground = await open_to_the_canary(receiver, rebound)
    endpoint, _ = await ground.an_endpoint(url="https://example.com/hook", allows_loopback=False)
    await force(ground, endpoint, f"http://example.com:{receiver.port}/hook")
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    assert "not public" in attempt.error
    assert asked == ["example.com"], "asked once, and what was answered is what is connected to"
    assert receiver.connections == 0


@pytest.mark.shows("fault H2", "SSRF redirects", "SW answers", "ASVS 15.3.2")
async def test_that_a_redirect_points_to_is_not_knocked_at(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(302, b"secret" * 1_000, location=ground.receiver.url("/inner")))
    await ground.told(ground.an_event())
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    assert (attempt.status, attempt.error) == (302, "answered 302")
    assert len(attempt.answer) <= 2_048
    assert ground.receiver.connections == 1
