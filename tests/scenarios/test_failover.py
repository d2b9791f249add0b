"""An installation whose primary dies in the middle of it: its standby takes over, and nothing is lost or charged twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.scenarios.conftest import START
from tests.support.database import DatabaseUrls, new_database
from tests.support.doctor import assert_healthy
from tests.support.processes import Installation, installed, until
from tests.support.replica import Replica, a_primary, a_replica, several
from tests.support.world import World, a_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CUSTOMERS = 12


@asynccontextmanager
async def replicated(cluster: DatabaseUrls, folder: Path) -> AsyncIterator[tuple[Installation, Replica, Replica]]:
    async with (
        new_database(cluster, "guilder_failover") as urls,
        a_primary(urls) as primary,
        a_replica(primary.urls, synchronous=True) as standby,
    ):
        here, there = primary.urls, standby.urls
        both = replace(
            here,
            owner=several(here.owner, there.owner),
            app=several(here.app, there.app),
            doctor=several(here.doctor, there.doctor),
        )
        with installed(both, folder, workers=2, schedulers=2) as installation:
            yield installation, primary, standby


@pytest.mark.shows("fault D1")
async def test_business_goes_on_where_the_standby_is_promoted(cluster: DatabaseUrls, tmp_path: Path) -> None:
    async with (
        replicated(cluster, tmp_path) as (installation, primary, standby),
        a_world(installation, starts_at=START) as world,
    ):
        await world.plan()
        subscribing = asyncio.create_task(subscribe_all(world))
        await until(lambda: some_orders(world), timeout_s=60, what="the first orders")
        primary.kill()
        await standby.promote()
        # What looks into the database from outside looks there from now on.
        installation.urls = standby.urls
        acknowledged = await subscribing
        assert len(acknowledged) == CUSTOMERS
        await until(lambda: all_active(world, acknowledged), timeout_s=120, what="everybody's subscription")
        await world.advance(days=32)
        journal = await world.journal()
        for kind in ("charges",):
            keys = [each["business_key"] for each in journal.get(kind, [])]
            assert len(keys) == len(set(keys)), "charged twice"
        invoices = [await world.invoices(each) for each in acknowledged]
        assert [[each["status"] for each in found] for found in invoices] == [["paid", "paid"]] * CUSTOMERS
        await assert_healthy(installation, tenant_id=world.tenant_id)


async def subscribe_all(world: World) -> dict[str, str]:
    """Subscribe customers one after the other, each until it is acknowledged; return their subscriptions."""
    done: dict[str, str] = {}
    for number in range(CUSTOMERS):
        name = f"customer-{number}"
        about = {"organization_id": name, "name": name, "email": f"{name}@example.com", "kind": "organization"}
        await insist(world, "/api/customers", about, key=f"{name}-customer")
        order = {"organization_id": name, "plan_id": "pro", "billing_cycle": "monthly"}
        card = await insist(
            world, f"/api/customers/{name}/payment-methods", {"token": "pm_card_ok"}, key=f"{name}-card"
        )
        await until(lambda: is_valid(world, name, card["id"]), timeout_s=120, what="a valid card")  # noqa: B023
        made = await insist(
            world, "/api/subscriptions", order | {"payment_method_id": card["id"]}, key=f"{name}-subscription"
        )
        done[name] = made["id"]
    return done


async def insist(world: World, path: str, body: dict[str, str], *, key: str) -> dict[str, str]:
    """Ask again with the same key until it is known what became of it, as a client does."""

    async def answered() -> dict[str, str] | None:
        try:
            answer = await world.http.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None
        # 409: the first asking is still under way, or died with the primary and is about to be known.
        assert answer.status_code in {200, 201, 202, 409, 503}, (path, answer.status_code, answer.text)
        found: dict[str, str] | None = answer.json()["data"] if answer.is_success else None
        return found

    found: dict[str, str] = await until(answered, timeout_s=120, what=path)
    return found


async def is_valid(world: World, name: str, method: str) -> bool:
    answer = await world.http.get(f"/api/customers/{name}/payment-methods")
    return answer.is_success and any(
        each["id"] == method and each["status"] != "pending" for each in answer.json()["data"]
    )


async def some_orders(world: World) -> bool:
    answer = await world.http.get("/api/subscriptions")
    return answer.is_success and len(answer.json()["data"]) >= 3


async def all_active(world: World, subscriptions: dict[str, str]) -> bool:
    states = set()
    for each in subscriptions.values():
        answer = await world.http.get(f"/api/subscriptions/{each}")
        states.add(answer.json()["data"]["status"] if answer.is_success else "unknown")
    return states == {"active"}
