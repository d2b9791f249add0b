"""The roles behind the API, one by one: work, schedule."""

from dataclasses import dataclass
from typing import Annotated

import typer

from guilder.entrypoints import serving, telling
from guilder.entrypoints.cli.access import refuse_unmigrated, settings_with_database
from guilder.entrypoints.cli.speaking import Trouble
from guilder.entrypoints.house import open_house
from guilder.entrypoints.roles import Role
from guilder.platform.config import Settings
from guilder.wiring.reactions import REACTIONS


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a worker's work one process does."""

    groups: tuple[str, ...] | None
    hears: bool
    calls: bool


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
    serving.run(_work(settings_with_database(), share))


def schedule() -> None:
    """Do what the clock asks: renewals, retries, reminders, sandboxes' time. Needs DATABASE_URL, as `serve` does.

    Any number may run side by side; each piece of work is done by one of them.
    """
    serving.run(_schedule(settings_with_database()))


async def _work(settings: Settings, share: Share) -> None:
    serving.begin(settings)
    serving.step_back(settings.work_niceness)
    async with open_house(settings, role=Role.WORK) as house:
        await refuse_unmigrated(house.database)
        worker = house.worker(groups=share.groups, hears=share.hears, calls=share.calls)
        await worker.consumer.register()
        await serving.run_roles(worker.run, *telling.roles(house))


async def _schedule(settings: Settings) -> None:
    serving.begin(settings)
    serving.step_back(settings.work_niceness)
    async with open_house(settings, role=Role.SCHEDULE) as house:
        await refuse_unmigrated(house.database)
        await serving.run_roles(house.scheduler().run, *telling.roles(house))
