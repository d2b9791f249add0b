"""`guilder up`, and the roles one by one: serve, work, schedule."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from guilder.entrypoints import serving
from guilder.entrypoints.cli.access import refuse_unmigrated
from guilder.entrypoints.cli.speaking import Trouble, out
from guilder.entrypoints.databases import reachable
from guilder.entrypoints.house import House, open_house
from guilder.entrypoints.paying import connect_named_gateways
from guilder.entrypoints.serving import Role
from guilder.entrypoints.trusting import trust_named_issuers
from guilder.entrypoints.up import refuse_taken_port
from guilder.entrypoints.up import up as run_everything
from guilder.platform.config import Settings, read_settings


def add_to(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("serve")(serve)
    app.command("work")(work)
    app.command("schedule")(schedule)


def up(
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Fill an empty database with something to see.")
    ] = True,
) -> None:
    """Run everything on this machine: PostgreSQL, API, worker, scheduler and a simulated payment provider.

    It continues where it was stopped; Ctrl-C stops it. Examples: guilder up · PORT=4001 guilder up --no-demo
    """
    settings = read_settings()
    # Production refuses what belongs to demo tenants, so none is made there.
    run_everything(settings, out, with_demo=demo and not settings.is_production)


def serve() -> None:
    """Serve the API alone, on HOST and PORT. Needs DATABASE_URL, or a `guilder up` of the same data folder.

    Any number may run side by side. Example: DATABASE_URL=postgresql://… PORT=8000 guilder serve
    """
    settings = _with_database()
    refuse_taken_port(settings)

    def http(house: House) -> Role:
        app = house.app()

        async def serve_trusting(stop: asyncio.Event) -> None:
            await trust_named_issuers(house)
            await connect_named_gateways(house)
            await serving.serve(app, house.settings, stop)

        return serve_trusting

    asyncio.run(_play(settings, http))


def work() -> None:
    """Hear the log and call the outside: payments, documents, messages. Needs DATABASE_URL, as `serve` does.

    Any number may run side by side; they share the work.
    """
    asyncio.run(_work(_with_database()))


def schedule() -> None:
    """Do what the clock asks: renewals, retries, reminders, sandboxes' time. Needs DATABASE_URL, as `serve` does.

    Any number may run side by side; each piece of work is done by one of them.
    """
    asyncio.run(_play(_with_database(), lambda house: house.scheduler().run, needs_tables=True))


def _with_database() -> Settings:
    settings = reachable(read_settings())
    if settings is None:
        raise Trouble("this needs a PostgreSQL: set DATABASE_URL, or run everything together with `guilder up`")
    return settings


async def _play(settings: Settings, role: Callable[[House], Role], *, needs_tables: bool = False) -> None:
    serving.begin(settings)
    async with open_house(settings) as house:
        if needs_tables:
            await refuse_unmigrated(house.database)
        await serving.run_roles(role(house))


async def _work(settings: Settings) -> None:
    serving.begin(settings)
    async with open_house(settings) as house:
        await refuse_unmigrated(house.database)
        worker = house.worker()
        await worker.consumer.register()
        await serving.run_roles(worker.run)
