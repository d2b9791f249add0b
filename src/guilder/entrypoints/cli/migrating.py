"""`guilder migrate`: the tables."""

import asyncio

from guilder.entrypoints.cli.speaking import out, progress
from guilder.entrypoints.databases import database_of
from guilder.platform.config import Settings, read_settings
from guilder.platform.db import migrate as migrations


def migrate() -> None:
    """Bring the database's tables to this version, as the role of DATABASE_OWNER_URL. Twice changes nothing.

    Run it before the new version starts: the one before keeps running on the new tables.
    """
    with database_of(read_settings(), progress=progress) as settings:
        applied = asyncio.run(bring_up_to_date(settings))
    out.print(f"Applied {len(applied)} migrations." if applied else "Nothing to do: the tables are of this version.")


async def bring_up_to_date(settings: Settings) -> list[str]:
    url = settings.database_owner_url or settings.database_direct_url or settings.database_url
    assert url is not None
    return await migrations.migrate(url.get_secret_value(), report=progress)
