"""What a test of rooms stands on: a database connected as the product connects, with a vault."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from tests.support.database import DatabaseUrls

RING = KeyRing.parse("test:" + base64.b64encode(b"guilder tests: a key of 32 bytes").decode())


@asynccontextmanager
async def database_with_vault(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = await Database.connect(urls.app, size_max=12, vault=Vault(RING))
    try:
        yield database
    finally:
        await database.close()
