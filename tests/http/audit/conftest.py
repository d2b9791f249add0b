from collections.abc import AsyncIterator

import pytest

from guilder.domain.audit import handlers
from guilder.domain.audit.performers import AuditExports
from guilder.domain.audit.routes import router as audit
from guilder.domain.catalog.routes import router as catalog
from guilder.domain.customers.routes import router as customers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing.routes import files_router
from guilder.kernel.event import Event
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.outside.files import open_files
from guilder.platform.outside.runner import Runner
from tests.support.ground import RING, database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    routers = [audit, customers, catalog, files_router]
    async with database_with_vault(database_urls) as database, served(database, routers) as house:
        house.app.state.files = open_files("memory://")
        house.app.state.keys = RING
        house.app.state.clock = house.clock
        yield house


@pytest.fixture
async def settle(house):
    """Have everything heard, and done outside."""
    clocks = identity.Clocks(house.clock)
    reactions = Reactions([Reaction("audit", Event, handlers.on_rows, hears_rows=True)])
    consumer = Consumer(house.database, reactions, clocks, house.clock)
    runner = Runner(house.database, [AuditExports(house.app.state.files)], clocks, clock=WallClock())
    await consumer.register()

    async def work():
        await runner.drain()
        await Sequencer(house.database).drain()
        await consumer.drain()

    return work
