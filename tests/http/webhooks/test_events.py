"""The feed over HTTP."""

from uuid import uuid4

import pytest

from guilder.platform.bus.sequencer import Sequencer
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant


@pytest.fixture
async def told(house):
    """A tenant of whom a dozen things are told, and how to ask about them."""
    tenant = await new_tenant(house.database)
    ask = await house.key_of(tenant)
    customers = []
    for _ in range(5):
        async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
            customers.append(await a_customer(tx))
    await Sequencer(house.database).drain()
    return ask, customers


async def read(ask, path="/api/events", **query):
    """Follow the cursor to the end; return the events and the last cursor."""
    found, cursor = [], None
    for _ in range(100):
        said = "&".join(f"{name}={value}" for name, value in {**query, "cursor": cursor}.items() if value is not None)
        answer = await ask("GET", f"{path}?{said}")
        assert answer.status_code == 200, answer.text
        page = answer.json()["page"]
        found += answer.json()["data"]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            return found, cursor
    raise AssertionError("no end")


@pytest.mark.shows("fault F11")
@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_is_complete_and_each_event_comes_once_whatever_the_page(told, limit):
    ask, customers = told
    found, _ = await read(ask, limit=limit)
    made = [each for each in found if each["type"] == "customers.customer.created"]
    assert sorted(each["data"]["customer_id"] for each in made) == sorted(str(each.id) for each in customers)
    assert len({each["id"] for each in found}) == len(found) > 5


async def test_goes_on_where_it_was_left(house, told):
    ask, customers = told
    _, cursor = await read(ask)
    assert (await ask("GET", f"/api/events?cursor={cursor}")).json()["data"] == []
    async with house.database.transaction([customers[0].tenant_id], actor="test") as tx:
        newest = await a_customer(tx)
    await Sequencer(house.database).drain()
    [event] = (await ask("GET", f"/api/events?cursor={cursor}")).json()["data"]
    assert event["data"]["customer_id"] == str(newest.id)


async def test_of_some_types_and_of_one_customer_holds_those_alone(told):
    ask, customers = told
    created, _ = await read(ask, types="customers.customer.created,invoicing.*", limit=2)
    assert {each["type"] for each in created} == {"customers.customer.created"}
    assert len(created) == 5
    mine, _ = await read(ask, customer_id=customers[1].organization_id, limit=1)
    assert [each["data"]["customer_id"] for each in mine] == [str(customers[1].id)]
    assert (await read(ask, types="invoicing.*", limit=1))[0] == []
    assert (await ask("GET", "/api/events?customer_id=nobody")).status_code == 404


async def test_from_the_latest_has_nothing_yet_and_then_what_is_new(house, told):
    ask, customers = told
    answer = (await ask("GET", "/api/events?cursor=latest")).json()
    assert answer["data"] == []
    async with house.database.transaction([customers[0].tenant_id], actor="test") as tx:
        newest = await a_customer(tx)
    await Sequencer(house.database).drain()
    [event] = (await ask("GET", f"/api/events?cursor={answer['page']['next_cursor']}")).json()["data"]
    assert event["data"]["customer_id"] == str(newest.id)


async def test_has_each_event_by_its_id_too(house, told):
    ask, _ = told
    found, _ = await read(ask)
    for event in found:
        assert (await ask("GET", f"/api/events/{event['id']}")).json()["data"] == event
    for strange in (uuid4(), "ffffffff-ffff-7fff-bfff-ffffffffffff"):
        assert (await ask("GET", f"/api/events/{strange}")).status_code == 404
    stranger = await house.key_of(await new_tenant(house.database))
    assert (await stranger("GET", f"/api/events/{found[0]['id']}")).status_code == 404


@pytest.mark.shows("I28", "fault G3")
async def test_shows_no_other_tenants_events(house, told):
    _, customers = told
    stranger = await house.key_of(await new_tenant(house.database))
    await Sequencer(house.database).drain()
    found, _ = await read(stranger)
    assert found
    assert str(customers[0].tenant_id) not in str(found)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "latest%00", "%C3%A9", "A" * 8_000])
async def test_of_a_cursor_that_is_none_is_refused(told, cursor):
    ask, _ = told
    answer = await ask("GET", f"/api/events?cursor={cursor}")
    assert answer.status_code in {400, 422}
    assert answer.json().get("field", "cursor") == "cursor"  # an address that is too long is refused as a whole
