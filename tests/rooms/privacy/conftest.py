"""A shop whose bank says yes, and the hands that carry out what was asked about its customers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from guilder.domain.customers.model import Customer
from guilder.domain.privacy import handlers, jobs
from guilder.domain.privacy import service as privacy
from guilder.domain.privacy.model import Request, RequestKind
from guilder.kernel.event import Event
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.builders.orders import Shop, a_shop

STEPS_MAX = 60


@dataclass
class Office:
    """Where requests are made and carried out, a step in a transaction of its own."""

    shop: Shop

    async def ask(self, customer: Customer, kind: RequestKind = RequestKind.ERASURE, **over: Any) -> Request:
        said = {"customer": customer.organization_id, "kind": kind, "now": self.shop.now, **over}
        return await self.shop.act(lambda tx: privacy.ask(tx, **said))

    async def step(self) -> int:
        refs = await self.shop._due("privacy.requests_due")
        if not refs:
            return 0
        return await self.shop.act(lambda tx: jobs.carry_out(tx, refs[:1], now=self.shop.now))

    async def work(self) -> None:
        """Carry out whatever is due."""
        for _ in range(STEPS_MAX):
            if not await self.step():
                return
        raise AssertionError("it never ends")

    async def hears(self, *events: Event) -> None:
        await self.shop.tell(handlers.on_closed, list(events))

    async def request(self, request: Request) -> Request:
        return await self.shop.act(lambda tx: privacy.one(tx, request_id=request.id))

    async def erase(self, customer: Customer) -> Request:
        asked = await self.ask(customer)
        await self.work()
        return await self.request(asked)

    async def round(self, **later: float) -> None:
        """Go round over what is old, so much later."""
        self.shop.now += timedelta(**later)
        for _ in range(STEPS_MAX):
            refs = await self.shop._due("privacy.rounds_due")
            if not refs:
                return
            await self.shop.act(lambda tx: jobs.go_round(tx, refs, now=self.shop.now))  # noqa: B023

    async def ask_database(self, sql: str, *values: object) -> list[Any]:
        async def look(tx: Tx) -> list[Any]:
            return await tx.fetch(sql, *values)

        return await self.shop.act(look)


@pytest.fixture
async def office(database: Database) -> Office:
    return Office(await a_shop(database))
