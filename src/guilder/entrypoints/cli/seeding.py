"""`guilder seed`: something to see."""

import asyncio

from guilder.entrypoints import demo
from guilder.entrypoints.cli.migrating import bring_up_to_date
from guilder.entrypoints.cli.speaking import Trouble, out, progress
from guilder.entrypoints.cli.working import busy_house
from guilder.entrypoints.databases import database_of, reachable
from guilder.platform.config import Settings, read_settings


def seed() -> None:
    """Fill the default tenant with demo data: plans, customers, and three months of a sandbox's history.

    What is there already is left as it is; a seeding that was interrupted is continued. Not in production.
    """
    read = read_settings()
    if read.is_production:
        raise Trouble("production takes no demo data; unset APP_ENV to try things")
    runs_elsewhere = reachable(read) is not None
    with database_of(read, progress=progress) as settings:
        asyncio.run(_seed(settings, runs_elsewhere=runs_elsewhere))


async def _seed(settings: Settings, *, runs_elsewhere: bool) -> None:
    await bring_up_to_date(settings)
    async with busy_house(settings, runs_elsewhere=runs_elsewhere) as house:
        await demo.seed(house, out)
        if runs_elsewhere:
            demo.greet(house, out)
        else:
            out.print("`guilder up` serves it.")
