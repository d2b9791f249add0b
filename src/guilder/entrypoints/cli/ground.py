"""`guilder migrate` and `guilder seed`: the tables, and something in them."""

import asyncio

import typer

from guilder.entrypoints import demo
from guilder.entrypoints.cli.speaking import Trouble, out, progress
from guilder.entrypoints.cli.working import busy_house
from guilder.entrypoints.databases import database_of, reachable
from guilder.platform.config import Settings, read_settings
from guilder.platform.db import migrate as migrations


def add_to(app: typer.Typer) -> None:
    app.command("migrate")(migrate)
    app.command("seed")(seed)


def migrate() -> None:
    """Bring the database's tables to this version, as the role of DATABASE_OWNER_URL. Twice changes nothing.

    Run it before the new version starts: the one before keeps running on the new tables.
    """
    with database_of(read_settings(), progress=progress) as settings:
        applied = asyncio.run(_migrate(settings))
    out.print(f"Applied {len(applied)} migrations." if applied else "Nothing to do: the tables are of this version.")


async def _migrate(settings: Settings) -> list[str]:
    url = settings.database_owner_url or settings.database_direct_url or settings.database_url
    assert url is not None
    return await migrations.migrate(url.get_secret_value(), report=progress)


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
    await _migrate(settings)
    async with busy_house(settings, runs_elsewhere=runs_elsewhere) as house:
        await demo.seed(house, out)
        if runs_elsewhere:
            demo.greet(house, out)
        else:
            out.print("`guilder up` serves it.")
