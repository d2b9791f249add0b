"""Write docs/security/checklist.md: what is asked, and which tests and files show it. `--check` says what is wrong with it.

The tests say so themselves, by `@pytest.mark.shows("ASVS 2.3.3", "fault F9")`, which is read from their source; what is
asked, which files show something, and what is not shown yet, is in docs/security/checklist.toml.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security" / "checklist.md"
ASKED = ROOT / "docs" / "security" / "checklist.toml"
NAMED_MAX = 4
# What a test may show beyond what is asked here: other items of the same lists.
_BEYOND = re.compile(r"ASVS \d+\.\d+\.\d+|PCI \d+(\.\d+)+|fault [A-J]\d+|I\d\d")

# What shows an id: test files with the names of their tests.
Shown = Mapping[str, Mapping[str, Sequence[str]]]


def asked() -> dict[str, Any]:
    return tomllib.loads(ASKED.read_text())


def items(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every id, in full, with what it asks."""
    for section in table["section"]:
        yield from ((section["prefix"] + name, said) for name, said in section["items"].items())


@cache
def shown(folder: Path = ROOT / "tests", root: Path = ROOT) -> Shown:
    """Read from the source of the tests what they say that they show."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text()
        if "mark.shows(" in text:
            for name, ids in marks(ast.parse(text)):
                for each in ids:
                    found[each][str(path.relative_to(root))].append(name)
    return found


def marks(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield every test that carries the mark, or whose class or module does, with the ids."""
    of_all = [
        each
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "pytestmark" for target in node.targets)
        for each in _ids(node.value)
    ]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = [*of_all, *(each for decorator in node.decorator_list for each in _ids(decorator))]
            yield from ((f"{node.name}::{name}", ids) for name, ids in _tests(node.body, own))
    yield from _tests(tree.body, of_all)


def _tests(body: Sequence[ast.stmt], of_all: list[str]) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            ids = [*of_all, *(each for decorator in node.decorator_list for each in _ids(decorator))]
            if ids:
                yield node.name, list(dict.fromkeys(ids))


def _ids(node: ast.expr) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "shows":
            yield from (each.value for each in call.args if isinstance(each, ast.Constant))


def page(table: Mapping[str, Any], found: Shown) -> str:
    """Write the page."""
    files, not_yet = table.get("files", {}), table.get("not_yet", {})
    total, less = len(list(items(table))), len(not_yet)
    lines = [
        "# What is asked of Guilder's security, and where it is shown",
        "",
        "Made by `python scripts/write_checklist.py` from the marks of the tests and `checklist.toml`; a test says when it is",
        "stale. Shown is what a test or a file demonstrates from outside; nobody else has certified any of it.",
        "",
        f"{total} items: {total - less} shown ({len(table.get('but', {}))} of them not whole, with what is left), {less} not yet.",
    ]
    for section in table["section"]:
        lines += ["", f"## {section['title']}", "", "| id | what is asked | shown by |", "|---|---|---|"]
        for name, said in section["items"].items():
            of_it = section["prefix"] + name
            by = [*_tests_of(found.get(of_it, {})), *(f"[{each}](../../{each})" for each in files.get(of_it, ()))]
            by += [f"*but*: {table['but'][of_it]}"] if of_it in table.get("but", {}) else []
            if of_it in not_yet:
                by = [*by, f"**not yet**: {not_yet[of_it]}"]
            lines.append(f"| {name} | {said} | {'<br>'.join(by)} |")
    if beyond := sorted(set(found) - {name for name, _ in items(table)}):
        lines += ["", "## Shown beyond that", "", "| id | shown by |", "|---|---|"]
        lines += [f"| {name} | {'<br>'.join(_tests_of(found[name]))} |" for name in beyond]
    return "\n".join(lines) + "\n"


def _tests_of(by_file: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for path, names in sorted(by_file.items()):
        said = ", ".join(f"`{name.rpartition('::')[2].removeprefix('test_')}`" for name in names[:NAMED_MAX])
        more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
        yield f"[{path.removeprefix('tests/')}](../../{path}): {said}{more}"


def wrong(table: Mapping[str, Any], found: Shown, root: Path = ROOT) -> list[str]:
    """Say what does not hold together."""
    known = [name for name, _ in items(table)]
    files, not_yet = table.get("files", {}), table.get("not_yet", {})
    said = [f"twice in the list: {each}" for each in sorted({name for name in known if known.count(name) > 1})]
    said += [
        f"a test shows what nobody asks: {each}"
        for each in sorted(set(found) - set(known))
        if not _BEYOND.fullmatch(each)
    ]
    said += [
        f"a file or a reason for what nobody asks: {each}"
        for each in sorted({*files, *not_yet, *table.get("but", {})} - set(known))
    ]
    said += [f"there is no {path}" for paths in files.values() for path in paths if not (root / path).exists()]
    said += [f"neither shown nor said why not: {each}" for each in known if not {each} & {*found, *files, *not_yet}]
    return said


def main() -> int:
    table, found = asked(), shown()
    said = wrong(table, found)
    for each in said:
        print(each)
    if "--check" in sys.argv:
        is_fresh = PAGE.is_file() and PAGE.read_text() == page(table, found)
        print("" if is_fresh else "stale: docs/security/checklist.md (python scripts/write_checklist.py)")
        return 0 if is_fresh and not said else 1
    PAGE.write_text(page(table, found))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
