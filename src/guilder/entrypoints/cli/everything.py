"""`guilder up`: all roles in one process, for one machine."""

from typing import Annotated

import typer

from guilder.entrypoints.cli.speaking import out
from guilder.entrypoints.up import up as run_everything
from guilder.platform.config import read_settings


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
