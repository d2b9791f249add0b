"""A shop whose bank says yes."""

import pytest

from guilder.platform.db.database import Database
from tests.support.builders.orders import Shop, a_shop


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await a_shop(database)
