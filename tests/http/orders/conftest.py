"""A shop behind the real edge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from guilder.domain.catalog.routes import router as catalog
from guilder.domain.orders.routes import router as orders
from guilder.platform.auth.principal import ALL_SCOPES
from guilder.platform.db.database import Database
from tests.support.builders.identity import NOW
from tests.support.builders.orders import Shop, a_shop
from tests.support.database import DatabaseUrls
from tests.support.ground import database_with_vault
from tests.support.served import Asking, Served, served


@dataclass
class Front:
    """The shop, its front door, and its owner's key."""

    shop: Shop
    served: Served
    ask: Asking


@pytest.fixture
async def database(database_urls: DatabaseUrls, clean: None) -> AsyncIterator[Database]:
    async with database_with_vault(database_urls) as database:
        yield database


@asynccontextmanager
async def a_front(database: Database) -> AsyncIterator[Front]:
    shop = await a_shop(database, now=NOW)
    async with served(database, [orders, catalog], now=NOW) as door:
        await door.trusts(shop.tenant)
        yield Front(shop, door, await door.key_of(shop.tenant, scopes=(ALL_SCOPES,)))


@pytest.fixture
async def front(database: Database) -> AsyncIterator[Front]:
    async with a_front(database) as front:
        yield front
