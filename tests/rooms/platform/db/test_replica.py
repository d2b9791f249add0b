"""A real streaming replica: what may lag is read there, what was written is read by whoever wrote it, money never is."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database, NotPrimary, connect_once
from guilder.platform.db.hosts import Hosts
from guilder.platform.db.replica import LeftOut, Why, position_of, text_of
from guilder.platform.db.replica import Replica as Place
from guilder.platform.http.placing import HEADER
from guilder.wiring.doctor.run import examine
from tests.support.database import DatabaseUrls
from tests.support.inside import Asked, Inside, a_house, lightly_furnished
from tests.support.processes import Installation, until
from tests.support.replica import Replica, a_replica, several

# What is decided by these is money, or access: they are answered by the primary, and by nothing else.
DECIDES = re.compile(
    r"^/(pay|checkout|api/(orders|payments|charges|refunds|entitlements|blocked|session|sessions|clock|tenant))\b"
    r"|(preview|quote|next-invoice|projected-bill|prepaid-credits|payment-methods)"
)


@pytest.fixture(scope="module")
async def replica(database_urls: DatabaseUrls) -> AsyncIterator[Replica]:
    async with a_replica(database_urls) as replica:
        yield replica


@pytest.fixture(scope="module")
async def one(database_urls: DatabaseUrls, replica: Replica, tmp_path_factory: Any) -> AsyncIterator[Inside]:
    async with looking(database_urls, replica, tmp_path_factory.mktemp("one")) as inside:
        yield inside


@pytest.fixture(scope="module")
async def other(one: Inside, database_urls: DatabaseUrls, replica: Replica) -> AsyncIterator[Inside]:
    """Another process of the same installation."""
    async with looking(database_urls, replica, one.installation.folder) as inside:
        yield inside


@asynccontextmanager
async def looking(urls: DatabaseUrls, replica: Replica, folder: Path) -> AsyncIterator[Inside]:
    """One process of an installation, that knows how far the replica is."""
    # A bound that a busy machine does not reach while a test has the replica stand still.
    more = {"DATABASE_REPLICA_URL": replica.urls.app, "DATABASE_REPLICA_LAG_MAX_S": "60"}
    installation = Installation(urls, folder, more=more)
    async with a_house(installation) as inside:
        await look(inside)
        yield inside


async def look(inside: Inside) -> None:
    assert inside.house.replica is not None
    await inside.house.replica.look()


async def settled(asked: Asked, inside: Inside, replica: Replica) -> None:
    """Come to where the replica has everything, and this process knows."""
    await replica.caught_up()
    await look(inside)


def by_replica(answer: Any) -> bool:
    return HEADER in answer.headers


async def of_replica(asked: Asked, path: str, **headers: str) -> httpx.Response:
    """Ask until the replica answers: on a machine that is busy it may be passed over, which is what it is for."""

    async def answered() -> httpx.Response | None:
        answer = await asked("GET", path, headers=headers)
        assert answer.is_success or answer.is_redirect, answer.text
        return answer if by_replica(answer) else None

    found: httpx.Response = await until(answered, what=f"the replica's answer to {path}")
    return found


async def test_what_may_lag_is_read_there_by_whom_it_belongs_to(one: Inside, replica: Replica) -> None:
    mine, theirs = await one.a_sandbox(), await one.a_sandbox()
    ids = await lightly_furnished(mine)
    await settled(mine, one, replica)
    read = []
    for method, path in lagging(one):
        filled = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "nothing"), path)
        answer = await mine(method, filled)
        assert answer.status_code < 500, (path, answer.text)
        if answer.is_success or answer.is_redirect:
            assert by_replica(answer) or await of_replica(mine, filled)
            read.append(path)
    assert {"/api/invoices", "/api/events", "/api/subscriptions", "/api/usage"} <= set(read)
    assert len(read) >= 12, read
    assert len(await mine.get("/api/invoices")) >= 1
    assert (await of_replica(theirs, "/api/invoices")).json()["data"] == []
    # What the replica does not have, the primary says no to.
    answer = await theirs("GET", f"/api/invoices/{ids['invoice_id']}/explain")
    assert answer.status_code == 404
    assert not by_replica(answer)


async def test_nothing_that_writes_or_decides_about_money_may_lag(one: Inside, other: Inside, replica: Replica) -> None:
    marked = lagging(one)
    assert marked
    guards = one.app.state.edge.guards
    for method, path in marked:
        assert method == "GET", path
        assert not DECIDES.search(path), f"{path} decides about money, and would be read from a replica"
        assert not guards.of(method, path).permission.is_sensitive, path
    asked = await one.a_sandbox()
    ids = await lightly_furnished(asked)
    await settled(asked, one, replica)
    order = {"organization_id": "new", "plan_id": "pro", "billing_cycle": "monthly"}
    await asked.post("/api/customers", {"organization_id": "new", "name": "New", "email": "new@new.example"})
    for answer in (
        await asked("GET", f"/api/orders/{ids['order_id']}"),
        await asked("GET", "/api/orders"),
        await asked("GET", "/api/payments"),
        await asked("GET", f"/api/subscriptions/{ids['subscription_id']}/next-invoice"),
        await asked("GET", "/api/entitlements/acme"),
    ):
        assert answer.is_success, answer.text
        assert not by_replica(answer), answer.url
    # A preview carries everything out and undoes it: on a replica it could not.
    answer = await asked("POST", "/api/subscriptions/preview", json=order)
    assert answer.is_success, answer.text


async def test_what_a_process_wrote_it_reads_though_the_replica_stands_still(
    one: Inside, other: Inside, replica: Replica
) -> None:
    asked = await one.a_sandbox()
    await asked.post("/api/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    await asked.post("/api/customers", {"organization_id": "acme", "name": "Acme", "email": "a@acme.example"})
    await settled(asked, one, replica)
    await look(other)
    await replica.stand_still()
    try:
        reading = {"event_id": "first", "organization_id": "acme", "meter": "calls", "value": "1"}
        wrote = await asked("POST", "/api/usage", json=reading)
        assert wrote.is_success, wrote.text
        position = wrote.headers[HEADER]
        assert text_of(position_of(position)) == position

        mine = await asked("GET", "/api/usage")
        assert [each["event_id"] for each in mine.json()["data"]] == ["first"]
        assert not by_replica(mine)
        elsewhere = Asked(asked.tenant_id, asked.key, other.http)
        old = await of_replica(elsewhere, "/api/usage")
        assert old.json()["data"] == []
        for said in (position, "now"):
            fresh = await elsewhere("GET", "/api/usage", headers={HEADER: said})
            assert [each["event_id"] for each in fresh.json()["data"]] == ["first"], said
            assert not by_replica(fresh)
    finally:
        await replica.go_on()
    await settled(asked, other, replica)
    there = await of_replica(elsewhere, "/api/usage", **{HEADER: position})
    assert [each["event_id"] for each in there.json()["data"]] == ["first"]
    assert position_of(there.headers[HEADER]) >= position_of(position)


async def test_refuses_a_position_that_is_none(one: Inside) -> None:
    asked = await one.a_sandbox()
    for nonsense in ("", "yesterday", "0/", "/0", "0/0/0", "0/-1", "123456789/0"):
        answer = await asked("GET", "/api/usage", headers={HEADER: nonsense})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_position"), nonsense


@pytest.mark.shows("fault D7")
async def test_a_replica_that_is_too_far_behind_is_left_out_until_it_is_not(one: Inside, replica: Replica) -> None:
    asked = await one.a_sandbox()
    place = await Place.connect(
        replica.urls.app, one.house.database, monotonic=time.monotonic, size_max=2, lag_max_s=1, name="test"
    )

    async def why_not() -> Why | None:
        await place.look()
        try:
            place.needed(asked.tenant_id)
        except LeftOut as left:
            return left.why
        return None

    async def is_used() -> bool:
        return await why_not() is None

    async def is_left_out() -> bool:
        return await why_not() is Why.BEHIND

    try:
        await replica.caught_up()
        await until(is_used, what="the replica's use")
        await replica.stand_still()
        try:
            await asked.post("/api/customers", {"organization_id": "late", "name": "Late", "email": "l@late.example"})
            await until(is_left_out, what="leaving the replica out")
            assert place.lag_s > 1
        finally:
            await replica.go_on()
        await replica.caught_up()
        await until(is_used, what="the replica's coming back")
        assert place.lag_s < 1
    finally:
        await place.close()


async def test_a_replica_that_is_gone_costs_nobody_an_answer(one: Inside, other: Inside, replica: Replica) -> None:
    asked = await one.a_sandbox()
    await settled(asked, one, replica)
    await of_replica(asked, "/api/subscriptions")
    replica.stop()
    try:
        for _ in range(3):
            answer = await asked("GET", "/api/subscriptions")
            assert answer.status_code == 200
            assert not by_replica(answer)
    finally:
        replica.start()
        await until(replica.is_up, timeout_s=60, what="the replica's start")
    await of_replica(asked, "/api/subscriptions")


@pytest.mark.slow
@pytest.mark.shows("fault D10")
async def test_a_replica_that_says_nothing_keeps_nobody_waiting_for_long(one: Inside, replica: Replica) -> None:
    asked = await one.a_sandbox()
    await settled(asked, one, replica)
    await of_replica(asked, "/api/subscriptions")
    replica.freeze()
    try:
        answer = await asked("GET", "/api/subscriptions")
        assert answer.status_code == 200, answer.text
        assert not by_replica(answer)
    finally:
        replica.thaw()
    await of_replica(asked, "/api/subscriptions")


async def test_a_read_in_the_replica_cannot_write(one: Inside, other: Inside, replica: Replica) -> None:
    asked = await one.a_sandbox()
    await settled(asked, one, replica)
    place = one.house.replica
    assert place is not None
    with pytest.raises(LeftOut) as left:
        async with place.transaction([asked.tenant_id], actor="test", reached=0) as (tx, _):
            await tx.execute("delete from customers.customers")
    assert left.value.why is Why.CONFLICT
    with pytest.raises(LeftOut):
        async with place.transaction([asked.tenant_id], actor="test", reached=2**62):
            raise AssertionError("it has not come so far")


async def test_a_primary_is_not_taken_for_its_replica(one: Inside, database_urls: DatabaseUrls) -> None:
    asked = await one.a_sandbox()
    place = await Place.connect(
        database_urls.app, one.house.database, monotonic=time.monotonic, size_max=2, lag_max_s=10, name="test"
    )
    try:
        await place.look()
        with pytest.raises(LeftOut):
            place.needed(asked.tenant_id)
        with pytest.raises(LeftOut):
            async with place.transaction([asked.tenant_id], actor="test", reached=0):
                raise AssertionError("it is no replica")
    finally:
        await place.close()


@pytest.mark.shows("fault D7")
async def test_a_replica_is_not_taken_for_the_primary(replica: Replica) -> None:
    """It would answer: every transaction is told at its beginning whether it is one."""
    database = await Database.connect(replica.urls.app, size_max=1)
    try:
        with pytest.raises(NotPrimary):
            async with database.transaction(actor="test"):
                raise AssertionError("nothing is decided here")
    finally:
        await database.close()


async def test_of_several_hosts_the_one_that_takes_writes_is_found(
    database_urls: DatabaseUrls, replica: Replica
) -> None:
    for order in ((replica.urls.app, database_urls.app), (database_urls.app, replica.urls.app)):
        database = await Database.connect(several(*order), size_max=2)
        try:
            async with database.transaction(actor="test") as tx:
                assert await tx.fetchval("select not pg_is_in_recovery()")
        finally:
            await database.close()


async def test_the_doctor_who_may_only_read_finds_the_primary_among_several(replica: Replica) -> None:
    several_doctors = several(replica.urls.doctor, replica.primary.doctor)
    connection = await connect_once(several_doctors, only_reads=True)
    try:
        assert await connection.fetchval("show default_transaction_read_only") == "on", "as its role has it"
        assert not await connection.fetchval("select pg_is_in_recovery()")
    finally:
        await connection.close()
    assert (await examine(several_doctors, now=WallClock().now())).examined


@pytest.mark.shows("fault D10")
async def test_a_host_that_says_nothing_does_not_keep_the_next_from_being_asked(database_urls: DatabaseUrls) -> None:
    asked = 0

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(5)
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    who, _, _ = urlsplit(database_urls.app).netloc.rpartition("@")
    nobody = urlsplit(database_urls.app)._replace(netloc=f"{who}@127.0.0.1:{port}").geturl()
    hosts = Hosts(several(nobody, database_urls.app), timeout_s=1)
    try:
        connection = await hosts.connect()
        assert await connection.fetchval("select true")
        await connection.close()
        assert asked == 1
        # The one that answered is asked first from then on.
        await (await hosts.connect()).close()
        assert asked == 1
    finally:
        silent.close()


def lagging(inside: Inside) -> list[tuple[str, str]]:
    guards = inside.app.state.edge.guards.by_endpoint
    return [endpoint for endpoint, guard in guards.items() if guard.rules.may_lag]
