"""`guilder runs`: how far renewals and the other work that falls due have come."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from guilder.entrypoints.cli.access import Office, at_work
from guilder.entrypoints.cli.speaking import out
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.jobs import runs as platform
from guilder.platform.jobs.runs import Run

LOOK_EVERY_S = 2.0
SHOWN_MAX = 40
BAR_WIDTH = 24
NOTHING = "Nothing was due within the last day."

Names = Mapping[TenantId, str]


def runs(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Only this tenant's; by default everybody's.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on looking until Ctrl-C.")] = False,
) -> None:
    """Show how far what falls due has been done: how much, how fast, how much longer, and what failed.

    Counted by whoever runs `guilder schedule` or `up`, every 15 seconds or more. Example: guilder runs --watch
    """
    at_work(lambda office: _show(office, tenant, is_watching=watch))


async def _show(office: Office, tenant: str | None, *, is_watching: bool) -> None:
    if not (is_watching and out.is_terminal):
        await _print(office, tenant, is_watching=is_watching)
        return
    with Live(console=out, auto_refresh=False) as live:
        while True:
            found, names = await _look(office, tenant)
            live.update(drawn(found, names) if found else NOTHING, refresh=True)
            await asyncio.sleep(LOOK_EVERY_S)


async def _print(office: Office, tenant: str | None, *, is_watching: bool) -> None:
    """Write a line for each run: what a file or another program can read."""
    while True:
        found, names = await _look(office, tenant)
        for run in found:
            out.print(escape(line(run, names)), soft_wrap=True)
        if not found:
            out.print(NOTHING)
        if not is_watching:
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _look(office: Office, tenant: str | None) -> tuple[list[Run], Names]:
    if tenant is not None:
        one = await office.find(tenant)
        return await office.of(one, lambda tx, _now: platform.runs(tx)), {one.tenant_id: one.slug}
    async with office.as_doctor() as tx:
        found = await platform.runs(tx)
    names = {each.tenant_id: each.slug for each in await office.every_tenant()}
    return [*platform.over_all(found), *found][:SHOWN_MAX], names


def drawn(found: Sequence[Run], names: Names) -> Table:
    """Draw runs as a table with a bar for each: what is done of what was there."""
    table = Table("job", "tenant", "", "done", "a second", "left", "time left", "failing", box=None, pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    for run in found:
        whole = run.done + (run.left or 0)
        bar = ProgressBar(total=whole or 1, completed=run.done if whole else 1, width=BAR_WIDTH)
        cells = (f"{run.done:,}", f"{run.rate_per_s:,.1f}", _left(run), _time_left(run), f"{run.failing:,}")
        table.add_row(escape(run.job), escape(_whose(run, names)), bar, *cells)
    return table


def line(run: Run, names: Names) -> str:
    return (
        f"{run.job} {_whose(run, names)}: {run.done} done, {run.rate_per_s:.1f} a second, "
        f"{_left(run)} left, {_time_left(run)} to go, {run.failing} failing"
    )


def _whose(run: Run, names: Names) -> str:
    if run.tenant_id is None:
        return "(everybody)"
    return names.get(run.tenant_id) or ids.to_text("ten", run.tenant_id)


def _left(run: Run) -> str:
    if run.left is None:
        return "?"
    return f"{run.left:,}{' or more' if run.is_least else ''}"


def _time_left(run: Run) -> str:
    return "?" if run.seconds_left is None else str(timedelta(seconds=run.seconds_left))
