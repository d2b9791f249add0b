"""A tenant, its customer, and transactions on their behalf."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Billing
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.ledger import service as ledger
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.metered import a_metered, a_metered_plan, uses
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

    for name in ("fetch", "fetchrow", "fetchval", "execute", "send"):
        monkeypatch.setattr(Tx, name, counting(getattr(Tx, name)))
    return statements


@pytest.fixture
async def somebody(open_tx):
    """A customer in UTC, whose days are those of its instants."""
    async with open_tx() as tx:
        return await a_customer(tx, time_zone="UTC")


@pytest.fixture
def metered(open_tx, somebody):
    """Subscribe the customer on 1 June to a plan of 10.00 a month that charges for calls."""

    async def make(*charges, **over):
        async with open_tx() as tx:
            plan = await a_metered_plan(
                tx, *charges, amount=over.pop("amount", 1_000), billing=over.pop("billing", Billing())
            )
            start = over.pop("start", datetime(2026, 6, 1, tzinfo=UTC))
            return await a_metered(tx, somebody, plan, starts_at=start, now=start, **over)

    return make


@pytest.fixture
def used(open_tx, somebody):
    async def make(value, at, **over):
        async with open_tx() as tx:
            return await uses(tx, somebody, value, at=datetime.fromisoformat(at).replace(tzinfo=UTC), **over)

    return make


@pytest.fixture
def bill(open_tx, tenant):
    """Do what the clock asks up to an instant: subscriptions first, then segments."""

    async def run(now):
        for find, job in (("subscriptions.due", jobs.bill_due), ("subscriptions.segments_due", jobs.bill_segments_due)):
            async with open_tx() as tx:
                rows = await tx.fetch(f"select tenant_id, id from {find}($1, $2, 500)", tenant, now)
                await job(tx, [Ref(*row) for row in rows], now=now)

    return run


@pytest.fixture
def billed(open_tx):
    """Return (date, [(kind, amount, first day)]) of each invoice, in order."""

    async def read():
        async with open_tx() as tx:
            found = (await invoicing.listing(tx, query=PageQuery(limit=200, after=None))).items
        for each in found:
            # Whatever was billed: its amount follows from its own explanation.
            assert [line for line in invoicing.explained(each).lines if not line.is_reproduced] == []
        return [
            (str(each.issued_on), [(line.kind.value, line.amount.minor, _day(line)) for line in each.lines])
            for each in sorted(found, key=lambda each: (each.issued_at, each.number))
        ]

    return read


def _day(line):
    return line.period.starts_at.strftime("%m-%d") if line.period else ""


def utc(text):
    return datetime.fromisoformat(f"{text}+00:00")
