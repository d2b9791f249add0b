"""How the command speaks: results on stdout, one sentence on stderr for what went wrong, and no traceback."""

from typing import Any

import asyncpg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from guilder.kernel.errors import Foreseen
from guilder.platform.cards import looks_like_card

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Trouble(Foreseen):
    """The command cannot do this; one sentence says why, and the way out."""


# What PostgreSQL says before it lets somebody in, or when it is not there.
_UNREACHABLE = (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError)


class Polite(TyperGroup):
    """Tells foreseen errors in one sentence, and ends with exit code 1. Anything else is our mistake, and is raised."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Arguments are read by every process of the machine, and stay in the shell's history.
        if any(looks_like_card(arg) for arg in args):
            raise typer.BadParameter("this looks like a card number, and those are never taken")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            said = sentence(error)
            if said is None:
                raise
            complain(said)
            raise typer.Exit(1) from None


def sentence(error: BaseException) -> str | None:
    """Return what a person should read about an error; None if nobody foresaw it."""
    if isinstance(error, Foreseen):
        return str(error) or (error.__doc__ or "").strip().split("\n")[0]
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"PostgreSQL has no such database: {error}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}"
    if isinstance(error, _UNREACHABLE):
        return f"PostgreSQL cannot be reached: {error}"
    if isinstance(error, BaseExceptionGroup):
        # The roles of a process run side by side; the first that fell is the one to tell.
        return next((said for each in error.exceptions if (said := sentence(each))), None)
    return None


def complain(said: str) -> None:
    """Write a sentence to stderr, whole on one line, so that it can be searched and piped."""
    said = said if said.endswith((".", "!", "?")) else f"{said}."
    err.print(f"[red]guilder:[/red] {escape(said[0].upper() + said[1:])}", soft_wrap=True)


def progress(said: str) -> None:
    err.print(f"  [dim]{escape(said)}[/dim]", soft_wrap=True)


def table(*columns: str, rows: list[tuple[object, ...]], none: str) -> None:
    """Print rows as a table, or say that there are none."""
    if not rows:
        out.print(none)
        return
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(escape(str(cell)) for cell in row))
    if not out.is_terminal:
        # Piped: as wide as the widest row, so that nothing is cut.
        Console(highlight=False, width=1_000, file=out.file).print(shown)
        return
    out.print(shown)
