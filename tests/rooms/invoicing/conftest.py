"""A tenant, its customer, and transactions on their behalf."""

from datetime import datetime
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.ledger import service as ledger
from guilder.platform.db.tx import Tx
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.subscriptions import a_subscription


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


@pytest.fixture
def open_tx(database, tenant):
    """Open a transaction of the tenant: `async with open_tx() as tx`; `keep=False` rolls it back."""
    return lambda **about: database.transaction([tenant], actor="test", **about)


@pytest.fixture
async def customer(open_tx):
    async with open_tx() as tx:
        return await a_customer(tx, time_zone="Europe/Amsterdam")


@pytest.fixture
async def vat(open_tx):
    """Tax net prices at 19 %."""
    async with open_tx() as tx:
        return await catalog.set_default_tax_rate(
            tx, name="VAT", percent=Decimal(19), country="DE", legal_note="", now=NOW
        )


@pytest.fixture
def subscribed(open_tx, customer):
    """Subscribe the customer; `is_active` unless said otherwise. The first period is not billed."""

    async def make(**over):
        async with open_tx() as tx:
            plan = await a_plan(tx, amount=over.pop("amount", 3_000))
            return await a_subscription(tx, customer, plan, **{"is_active": True, **over})

    return make


@pytest.fixture
def balances(open_tx):
    """Return what is on each account that is not at zero."""

    async def read():
        async with open_tx() as tx:
            return {each.account.value: each.amount_minor for each in await ledger.balances(tx) if each.amount_minor}

    return read


@pytest.fixture
def counted(monkeypatch):
    """Count the statements that a room sends, from here on."""
    statements = []

    def counting(real):
        async def count(self, sql, *values):
            statements.append(sql)
            return await real(self, sql, *values)

        return count

    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        monkeypatch.setattr(Tx, name, counting(getattr(Tx, name)))
    return statements


def utc(text):
    return datetime.fromisoformat(f"{text}+00:00")
