"""Nouns: values that never change, and are compared by what they say.

Most are frozen dataclasses. Those that a batch makes by the thousand are frozen structs (`msgspec.Struct`): to a reader and
to mypy the same, made and copied many times as fast (docs/adr/0027). `replace` copies either.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

__all__ = ["replace"]

_of_dataclass = replace

# mypy knows the standard library's by its name, and checks the names and types of what is changed: of structs, too.
if not TYPE_CHECKING:

    def replace(noun: Any, /, **changes: Any) -> Any:
        """Return a noun that says the same but for these fields."""
        return structs.replace(noun, **changes) if isinstance(noun, Struct) else _of_dataclass(noun, **changes)
