from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.notifications.events import NotificationSent
from guilder.domain.webhooks import handlers, jobs
from guilder.domain.webhooks import service as webhooks
from guilder.domain.webhooks.model import Wish
from guilder.domain.webhooks.performers import WebhookSending
from guilder.kernel import ids
from guilder.kernel.event import Message
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.clock import HandClock, WallClock
from guilder.platform.db.database import Database
from guilder.platform.outside.http import Outbound, OutboundPolicy
from guilder.platform.outside.runner import Runner
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected
from tests.support.receiver import Receiver, receiving


@dataclass
class Ground:
    """One tenant with customers, a receiver on this machine, and a clock set by hand."""

    database: Database
    tenant_id: object
    customer: Customer
    other: Customer
    receiver: Receiver
    clock: HandClock
    runner: Runner
    admin_url: str
    announced: list = field(default_factory=list)

    def tx(self):
        return self.database.transaction([self.tenant_id], actor="test")

    async def an_endpoint(self, *events, path="/hook", url=None, **over):
        wish = Wish(url=url or self.receiver.url(path), events=events or ("*",), **{"allows_loopback": True, **over})
        async with self.tx() as tx:
            return await webhooks.create(tx, wish=wish, may_loop=True, now=self.clock.now())

    def an_event(self, customer=None, **over):
        """Something that happened to a customer; which of all events it is does not matter here."""
        event = NotificationSent(
            tenant_id=self.tenant_id,
            notification_id=ids.new(NOW),
            customer_id=(customer or self.customer).id,
            channel="email",
            kind="apology",
        )
        return self.heard(event, **over)

    def heard(self, event, **over):
        return Message(**{"id": ids.new(NOW), "event": event, "occurred_at": self.clock.now(), "actor": "test", **over})

    async def hear(self, *messages):
        """Have the room hear events; nothing is sent yet."""
        async with self.tx() as tx:
            await handlers.on_event(tx, list(messages), now=self.clock.now())

    async def send(self):
        """Do what the workers would, now."""
        await self.runner.drain()

    async def told(self, *messages):
        await self.hear(*messages)
        await self.send()

    async def later(self, **by):
        """Move the clock, and do what is due then."""
        self.clock.move_by(timedelta(**by))
        async with connected(self.admin_url) as admin:
            rows = await admin.fetch(
                "select * from webhooks.retries_due($1, $2, 500)", self.tenant_id, self.clock.now()
            )
        async with self.tx() as tx:
            done = await jobs.retry(tx, [Ref(row["tenant_id"], row["id"]) for row in rows], now=self.clock.now())
        await self.send()
        return done

    async def deliveries(self, endpoint, **over):
        """Return what an endpoint was sent, oldest first."""
        async with self.tx() as tx:
            page = await webhooks.deliveries(tx, endpoint_id=endpoint.id, query=PageQuery(limit=200), **over)
        return list(reversed(page.items))

    async def history(self, delivery):
        async with self.tx() as tx:
            return (await webhooks.delivery(tx, message_id=delivery.id))[1]

    async def health(self, endpoint):
        async with self.tx() as tx:
            return await webhooks.one(tx, endpoint_id=endpoint.id)

    async def events(self):
        """Return the names of what this room announced."""
        async with connected(self.admin_url) as admin:
            rows = await admin.fetch(
                "select name from platform.log where tenant_id = $1 and topic = 'webhooks.events' order by id",
                self.tenant_id,
            )
        return [row["name"] for row in rows]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def make_ground(database, database_urls, receiver):
    async def make(*, mode=Mode.TEST, local=True, public=None, timeout_s=2.0):
        tenant = await new_tenant(database, mode=mode, name="Northwind")
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            customer, other = await a_customer(tx), await a_customer(tx)
        clock = HandClock(NOW)
        performer = WebhookSending(
            public=public or Outbound(OutboundPolicy(), total_timeout_s=timeout_s),
            local=Outbound(OutboundPolicy(allows_loopback=True), total_timeout_s=timeout_s) if local else None,
            clock=WallClock(),
        )
        runner = Runner(database, [performer], identity.Clocks(clock), clock=WallClock())
        return Ground(database, tenant.tenant_id, customer, other, receiver, clock, runner, database_urls.admin)

    return make


@pytest.fixture
async def ground(make_ground):
    return await make_ground()
