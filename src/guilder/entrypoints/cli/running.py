"""The roles one by one: serve, work, schedule."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from guilder.entrypoints import serving, telling
from guilder.entrypoints.cli.access import refuse_unmigrated
from guilder.entrypoints.cli.speaking import Trouble
from guilder.entrypoints.databases import reachable
from guilder.entrypoints.house import House, open_house
from guilder.entrypoints.listening import refuse_taken_port
from guilder.entrypoints.paying import connect_named_gateways
from guilder.entrypoints.roles import Role as Part
from guilder.entrypoints.serving import Role
from guilder.entrypoints.trusting import trust_named_issuers
from guilder.platform.config import Settings, read_settings
from guilder.wiring.reactions import REACTIONS


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a worker's work one process does."""

    groups: tuple[str, ...] | None
    hears: bool
    calls: bool


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

    serving.run(_play(settings, http, Part.SERVE))


def work(
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Hear the log for this group only; may be given more than once.", metavar="NAME"),
    ] = None,
    only_calls: Annotated[
        bool, typer.Option("--only-calls", help="Call the outside, and do not hear the log.")
    ] = False,
    no_calls: Annotated[bool, typer.Option("--no-calls", help="Hear the log, and do not call the outside.")] = False,
) -> None:
    """Hear the log and call the outside: payments, documents, messages. Needs DATABASE_URL, as `serve` does.

    Any number may run side by side; they share the work. With --group, others must hear the other groups. With neither
    --group nor --no-calls nor --only-calls it does everything. Example: guilder work --group payments --group invoicing
    """
    if only_calls and (no_calls or group):
        raise Trouble("--only-calls hears nothing: it goes with neither --group nor --no-calls")
    unknown = sorted(set(group or ()) - set(REACTIONS.groups))
    if unknown:
        raise Trouble(f"there is no group {unknown[0]}; the groups are {', '.join(REACTIONS.groups)}")
    share = Share(groups=tuple(group) if group else None, hears=not only_calls, calls=not no_calls)
    serving.run(_work(_with_database(), share))


def schedule() -> None:
    """Do what the clock asks: renewals, retries, reminders, sandboxes' time. Needs DATABASE_URL, as `serve` does.

    Any number may run side by side; each piece of work is done by one of them.
    """
    serving.run(_play(_with_database(), lambda house: house.scheduler().run, Part.SCHEDULE, needs_tables=True))


def _with_database() -> Settings:
    settings = reachable(read_settings())
    if settings is None:
        raise Trouble("this needs a PostgreSQL: set DATABASE_URL, or run everything together with `guilder up`")
    return settings


async def _play(settings: Settings, role: Callable[[House], Role], part: Part, *, needs_tables: bool = False) -> None:
    serving.begin(settings)
    if part is not Part.SERVE:
        serving.step_back(settings.work_niceness)
    async with open_house(settings, role=part) as house:
        if needs_tables:
            await refuse_unmigrated(house.database)
        # The API tells of itself on its own port.
        await serving.run_roles(role(house), *([] if part is Part.SERVE else telling.roles(house)))


async def _work(settings: Settings, share: Share) -> None:
    serving.begin(settings)
    serving.step_back(settings.work_niceness)
    async with open_house(settings, role=Part.WORK) as house:
        await refuse_unmigrated(house.database)
        worker = house.worker(groups=share.groups, hears=share.hears, calls=share.calls)
        await worker.consumer.register()
        await serving.run_roles(worker.run, *telling.roles(house))
