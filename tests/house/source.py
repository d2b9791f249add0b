"""The source as trees, for those who check it."""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
DOMAIN = SOURCE / "guilder" / "domain"


@dataclass(frozen=True)
class Page:
    """One Python file."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Say where it is, from the root: src/guilder/kernel/money.py."""
        return str(self.path.relative_to(ROOT))

    @property
    def place(self) -> tuple[str, ...]:
        """Say where it is, as a module: ("guilder", "domain", "orders", "store")."""
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def room(self) -> str | None:
        return self.place[2] if self.place[:2] == ("guilder", "domain") and len(self.place) > 2 else None

    @property
    def shelf(self) -> str | None:
        """Say which of the room's files it is, or is a part of: "store" for store/rows.py too."""
        return self.place[3] if self.room and len(self.place) > 3 else None

    def at(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 1)}"


def a_page(name: str, text: str) -> Page:
    """Make a page that is not there, to show that a check notices what is wrong with it."""
    return Page(SOURCE / name, text, ast.parse(text))


@lru_cache
def pages(*folders: str) -> tuple[Page, ...]:
    paths = [path for folder in folders or ("src",) for path in sorted((ROOT / folder).rglob("*.py"))]
    # Trees are made of millions of small things, all of which stay: collecting meanwhile took most of the time.
    gc.disable()
    try:
        return tuple(Page(path, text := path.read_text(), ast.parse(text, str(path))) for path in paths)
    finally:
        gc.freeze()
        gc.enable()


def rooms() -> list[Path]:
    return sorted(path for path in DOMAIN.iterdir() if path.is_dir() and path.name != "__pycache__")


def functions(page: Page) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function by its name in the file: "Tx.announce", "make.inner"."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{child.name}", child
            name = getattr(child, "name", None)
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            yield from walk(child, f"{prefix}{name}." if named else prefix)

    return walk(page.tree, "")


def strings(page: Page) -> Iterator[tuple[ast.Constant, str]]:
    """Yield every string but the docstrings, the fixed parts of f-strings included."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(page.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(page.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node, node.value
