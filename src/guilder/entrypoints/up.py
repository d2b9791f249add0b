"""`guilder up`: everything on one machine, in one process beside the database and the simulated provider."""

import asyncio
import os
from contextlib import AsyncExitStack

from rich.console import Console

from guilder.entrypoints import answering, demo, serving
from guilder.entrypoints.databases import embedded
from guilder.entrypoints.house import House, open_house
from guilder.entrypoints.listening import refuse_taken_port
from guilder.entrypoints.paying import connect_named_gateways
from guilder.entrypoints.provider import running_provider
from guilder.entrypoints.trusting import trust_named_issuers
from guilder.platform.bus.retention import Retention
from guilder.platform.config import Settings
from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.db.migrate import migrate

WATCH_S = 1.0


def up(settings: Settings, console: Console, *, with_demo: bool) -> None:
    """Start everything, and keep it running until Ctrl-C. What is there from the last time is continued.

    :raises PortTaken: another program listens where the API should
    """
    refuse_taken_port(settings)
    # One reads this terminal: what goes well is told by the pages, what does not is told here.
    quiet = settings.log_level == "INFO" and "LOG_LEVEL" not in os.environ
    serving.begin(settings.model_copy(update={"log_level": "WARNING"}) if quiet else settings)

    def progress(sentence: str) -> None:
        console.print(f"  [dim]{sentence}[/dim]")

    if settings.database_url is not None:
        serving.run(_run(settings, console, server=None, with_demo=with_demo))
        return
    with embedded(settings, progress=progress) as (found, server):
        serving.run(_run(found, console, server=server, with_demo=with_demo))


def _quiet(settings: Settings) -> Settings:
    # One line a request would bury what a person looks for; LOG_LEVEL=INFO shows them.
    return settings.model_copy(update={"log_level": "WARNING"})


async def _run(settings: Settings, console: Console, *, server: EmbeddedPostgres | None, with_demo: bool) -> None:
    owner = settings.database_owner_url or settings.database_direct_url or settings.database_url
    assert owner is not None
    await migrate(owner.get_secret_value(), report=lambda sentence: console.print(f"  [dim]{sentence}[/dim]"))
    async with AsyncExitStack() as stack:
        if not settings.is_production:
            await stack.enter_async_context(running_provider(settings))
        house = await stack.enter_async_context(open_house(settings))
        await Retention(house.database, house.clock, days_kept=settings.log_retention_days).step()
        await _all_roles(house, console, server=server, with_demo=with_demo)


async def _all_roles(house: House, console: Console, *, server: EmbeddedPostgres | None, with_demo: bool) -> None:
    await trust_named_issuers(house)
    await connect_named_gateways(house)
    app = answering.api(house)
    worker, timekeeper = house.worker(), house.scheduler()
    await worker.consumer.register()

    async def http(stop: asyncio.Event) -> None:
        await serving.serve(app, house.settings, stop)

    async def watch(stop: asyncio.Event) -> None:
        while not stop.is_set():
            if server is not None and not server.is_running:
                console.print("  [yellow]PostgreSQL fell; it is started again[/yellow]")
                server.start()
            try:
                await asyncio.wait_for(stop.wait(), WATCH_S)
            except TimeoutError:
                continue

    async def greet(stop: asyncio.Event) -> None:
        waiting = asyncio.create_task(stop.wait())
        if with_demo:
            # Ctrl-C does not wait for demo data: the next start continues it.
            seeding = asyncio.create_task(demo.seed(house, console))
            await asyncio.wait({seeding, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not seeding.done():
                seeding.cancel()
                await asyncio.wait({seeding})
                return
            seeding.result()
        demo.greet(house, console)
        await waiting

    carrier = house.carrier()
    carries = [carrier.run] if carrier else []
    await serving.run_roles(http, worker.run, timekeeper.run, *carries, watch, greet)
    console.print("Stopped. `make up` continues where this ended.")
