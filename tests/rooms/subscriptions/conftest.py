"""A tenant, its customer, and what it subscribes to."""

from datetime import datetime

import pytest

from guilder.domain.catalog.model import Billing
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.noun import replace
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.subscriptions import a_subscription, terms_of


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


@pytest.fixture
def open_tx(database, tenant):
    return lambda **about: database.transaction([tenant], actor="test", **about)


@pytest.fixture
async def customer(open_tx):
    async with open_tx() as tx:
        return await a_customer(tx, time_zone="Europe/Amsterdam")


@pytest.fixture
async def plan(open_tx):
    async with open_tx() as tx:
        return await a_plan(tx, amount=3_000)


@pytest.fixture
def subscribed(open_tx, customer, plan):
    """Subscribe the customer, by default as an active one from NOW on; the fields of `billing` are the plan's."""

    async def make(*, billing=None, terms=None, **over):
        agreed = replace(terms_of(plan), billing=Billing(**(billing or {})), **(terms or {}))
        async with open_tx() as tx:
            return await a_subscription(tx, customer, plan, **{"is_active": True, "terms": agreed, **over})

    return make


@pytest.fixture
def do(open_tx):
    """Do one verb in a transaction of its own: `await do("pause", ref=…, now=…)`."""

    async def run(verb, **about):
        async with open_tx() as tx:
            return await getattr(subscriptions, verb)(tx, **about)

    return run


@pytest.fixture
def roll(do):
    async def run(*subscribed, now, **about):
        return await do("roll_due", refs=[each.ref for each in subscribed], now=now, **about)

    return run


@pytest.fixture
def heard(open_tx):
    """Return the names of what was announced, in order."""

    async def read():
        async with open_tx() as tx:
            rows = await tx.fetch("select name from platform.log where name like 'subscriptions.%' order by id")
        return [row["name"].removeprefix("subscriptions.") for row in rows]

    return read


@pytest.fixture
def found_due(open_tx):
    """Return what a due-finder of the room says."""

    async def find(function, tenant, now):
        async with open_tx() as tx:
            return await tx.fetch(f"select * from subscriptions.{function}($1, $2, 500)", tenant, now)

    return find


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


START = NOW
