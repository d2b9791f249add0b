from dataclasses import dataclass
from typing import Any

import pytest

from guilder.domain.audit import handlers
from guilder.domain.audit import service as audit
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.notifications.events import NotificationSent
from guilder.kernel import ids
from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.bus import outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import HandClock
from guilder.platform.db.database import Database
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected


@dataclass
class Ground:
    """A tenant whose log the audit hears, and the superuser who may do what nobody else can."""

    database: Database
    admin_url: str
    tenant_id: TenantId
    sandbox_id: TenantId
    clock: HandClock
    consumer: Consumer

    def tx(self, tenant_id=None, **about):
        return self.database.transaction([tenant_id or self.tenant_id], **{"actor": "test", **about})

    async def announce(self, count=1, *, tenant_id=None, customer_id=None, **about):
        """Announce events of one customer, so that they fall into one chain; return the customer's id."""
        customer_id = customer_id or CustomerId(ids.new(NOW))
        tenant_id = tenant_id or self.tenant_id
        async with self.tx(tenant_id, **about) as tx:
            events = [
                NotificationSent(
                    tenant_id=tenant_id,
                    notification_id=ids.new(NOW),
                    customer_id=customer_id,
                    channel="email",
                    kind="apology",
                )
                for _ in range(count)
            ]
            outbox.announce(tx, events, now=self.clock.now())
        return customer_id

    async def hear(self):
        await Sequencer(self.database).drain()
        return await self.consumer.drain()

    async def told(self, count=1, **about):
        customer_id = await self.announce(count, **about)
        await self.hear()
        return customer_id

    async def rows(self, sql, *values):
        async with connected(self.admin_url) as admin:
            return [dict(row) for row in await admin.fetch(sql, *values)]

    async def as_superuser(self, sql, *values):
        """Do what no code of ours can: the triggers that refuse it are off meanwhile."""
        async with connected(self.admin_url) as admin, admin.transaction():
            await admin.execute("set local session_replication_role = replica")
            await admin.execute(sql, *values)

    async def verify(self, anchors=None, **about):
        found = audit.Found()
        async with self.tx() as tx:
            for chain in await audit.chains_of(tx, tenant_id=self.tenant_id):
                found.merge(await audit.verify_chain(tx, chain=chain, anchors=(anchors or {}).get(chain), **about))
        return found


def audit_alone(database: Database, clock: HandClock, handler: Any = handlers.on_rows) -> Consumer:
    reactions = Reactions([Reaction("audit", Event, handler, hears_rows=True)])
    return Consumer(database, reactions, identity.Clocks(clock), clock)


@pytest.fixture
async def ground(database, database_urls):
    clock = HandClock(NOW)
    tenant = await new_tenant(database)
    sandbox = await new_tenant(database, mode=Mode.SANDBOX)
    consumer = audit_alone(database, clock)
    await consumer.register()
    found = Ground(database, database_urls.admin, tenant.tenant_id, sandbox.tenant_id, clock, consumer)
    await found.hear()
    return found
