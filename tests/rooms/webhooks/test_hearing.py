"""An event …"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import pytest

from guilder.domain.webhooks import handlers
from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.events import WebhookEndpointCreated, WebhookEndpointDisabled
from guilder.domain.webhooks.model import Wish
from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId
from guilder.platform.bus.codec import UnknownEvent
from tests.support.builders.identity import NOW
from tests.support.receiver import answering


@dataclass(frozen=True, slots=True, kw_only=True)
class LongStory(Event):
    name: ClassVar = "toys.story.told"
    topic: ClassVar = "toys.events"

    customer_id: CustomerId
    toy_ids: tuple[UUID, ...]
    text: str


@pytest.mark.shows("SW filter")
@pytest.mark.parametrize(
    ("wanted", "is_sent"),
    [
        (["*"], True),
        (["notifications.*"], True),
        (["notifications.notification.*"], True),
        (["notifications.notification.sent"], True),
        (["notifications.notification.failed"], False),
        (["toys.*", "notifications.notification.failed"], False),
        (["toys.*", "notifications.notification.sent"], True),
    ],
)
async def test_is_sent_to_whoever_wants_it(ground, wanted, is_sent):
    await ground.an_endpoint(*wanted)
    await ground.told(ground.an_event())
    assert bool(ground.receiver.got) is is_sent


async def test_heard_twice_is_sent_once_to_each_endpoint(ground):
    one, _ = await ground.an_endpoint(path="/one")
    two, _ = await ground.an_endpoint(path="/two")
    event = ground.an_event()
    for _ in range(3):
        await ground.told(event, event)
    assert len(ground.receiver.at("/one")) == len(ground.receiver.at("/two")) == 1
    [first], [second] = await ground.deliveries(one), await ground.deliveries(two)
    assert first.id != second.id


async def test_of_webhooks_themselves_is_sent_to_nobody(ground):
    endpoint, _ = await ground.an_endpoint("*")
    about = {"tenant_id": ground.tenant_id, "endpoint_id": endpoint.id}
    await ground.told(
        ground.heard(WebhookEndpointCreated(**about)),
        ground.heard(WebhookEndpointDisabled(**about, reason="gone", failing_since=None, failures=1)),
    )
    assert await ground.deliveries(endpoint) == []
    assert ground.receiver.got == []


@pytest.mark.shows("SW size", "LAW events")
async def test_is_sent_as_ids_alone_to_whoever_wants_it_thin(ground):
    await ground.an_endpoint(is_thin=True)
    event = ground.an_event()
    await ground.told(event)
    [got] = ground.receiver.got
    assert got.said["event_id"] == str(event.id)
    assert got.said["data"] == {
        "tenant_id": str(ground.tenant_id),
        "notification_id": str(event.event.notification_id),
        "customer_id": str(ground.customer.id),
    }


@pytest.mark.shows("SW size")
async def test_too_long_is_sent_thin_and_with_too_many_ids_bare(ground):
    await ground.an_endpoint()
    toys = (ground.customer.id, ground.other.id)
    about = {"tenant_id": ground.tenant_id, "customer_id": ground.customer.id}
    await ground.told(
        ground.heard(LongStory(**about, toy_ids=toys, text="once upon a time " * 2_000)),
        ground.heard(LongStory(**about, toy_ids=toys * 400, text="")),
    )
    long, many = ground.receiver.got
    assert long.said["data"] == {
        "tenant_id": str(ground.tenant_id),
        "customer_id": str(ground.customer.id),
        "toy_ids": [str(each) for each in toys],
    }
    assert (many.said["type"], many.said["data"]) == ("toys.story.told", {})
    assert all(len(each.body) < 20_000 for each in ground.receiver.got)


async def test_that_only_a_newer_release_knows_is_sent_as_it_came(ground):
    endpoint, _ = await ground.an_endpoint()
    body = {"customer_id": str(ground.customer.id), "shoe_size": 44}
    event = UnknownEvent(tenant_id=ground.tenant_id, event_name="shoes.shoe.sold", event_version=3, body=body)
    await ground.told(ground.heard(event))
    [got] = ground.receiver.got
    assert (got.said["type"], got.said["data"]) == ("shoes.shoe.sold", body)
    [delivery] = await ground.deliveries(endpoint)
    assert delivery.customer_id == ground.customer.id


@pytest.mark.shows("I28", "fault G3")
async def test_of_one_tenant_reaches_no_endpoint_of_another(make_ground):
    mine, theirs = await make_ground(), await make_ground()
    await mine.an_endpoint(path="/mine")
    await theirs.an_endpoint(path="/theirs")
    mine_too, theirs_too = mine.an_event(), theirs.an_event()
    async with mine.database.transaction([mine.tenant_id, theirs.tenant_id], actor="test") as tx:
        await handlers.on_event(tx, [mine_too, theirs_too], now=NOW)
    await mine.send()
    assert [each.said["data"]["tenant_id"] for each in mine.receiver.at("/mine")] == [str(mine.tenant_id)]
    assert [each.said["data"]["tenant_id"] for each in mine.receiver.at("/theirs")] == [str(theirs.tenant_id)]


@pytest.mark.shows("LAW events", "ASVS 14.2.6")
async def test_says_nothing_about_a_person(ground):
    """Events hold ids and values; what a customer is called is asked for by id, as long as it is known."""
    await ground.an_endpoint()
    await ground.told(ground.an_event())
    body = ground.receiver.got[0].body.decode()
    assert [each for each in (ground.customer.name, ground.customer.email, ground.customer.phone) if each in body] == []


async def test_during_a_change_of_endpoint_goes_to_its_new_address(ground):
    endpoint, _ = await ground.an_endpoint(path="/old")
    ground.receiver.says(answering(500), path="/old")
    await ground.told(ground.an_event())
    async with ground.tx() as tx:
        wish = Wish(url=ground.receiver.url("/new"), events=("*",), allows_loopback=True)
        await webhooks.change(tx, endpoint_id=endpoint.id, wish=wish, may_loop=True, now=NOW)
    await ground.later(seconds=6)
    assert [each.path for each in ground.receiver.got] == ["/old", "/new"]
    assert ground.receiver.got[0].id == ground.receiver.got[1].id
