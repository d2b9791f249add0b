"""Commands that are loaded when somebody calls them: --help, a misspelt word and a card number need none of the house."""

import gc
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group


class Deferred(TyperCommand):
    """Stands in the list for a command or a group of them, which lies at `place`: `module:attribute` beside this one."""

    def __init__(self, name: str, place: str, told: str) -> None:
        super().__init__(name, help=told, rich_markup_mode="rich")
        self._place = place

    @cached_property
    def real(self) -> Any:
        """Load the command."""
        module, _, attribute = self._place.partition(":")
        found = getattr(_imported(f"guilder.entrypoints.cli.{module}"), attribute)
        around = typer.Typer(rich_markup_mode="rich", add_completion=False)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=self.name)
        else:
            around.command(self.name)(found)
        assert self.name is not None
        return get_group(around).commands[self.name]

    def make_context(self, *args: Any, **extra: Any) -> Any:
        # Whoever has this context is led on by it: it names the real command.
        return self.real.make_context(*args, **extra)


def _imported(name: str) -> ModuleType:
    """Import without collecting meanwhile: what is imported stays, and looking through it again and again is a tenth of the start."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if was_on:
            gc.enable()
