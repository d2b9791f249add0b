"""Time is an argument, imports stand at the top, and money is never a float."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.source import Page, a_page, functions, pages, strings

LOOKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
}
MAY_LOOK = ("src/guilder/platform/clock.py", "src/guilder/entrypoints/", "src/simulated_provider/")
_SQL_LOOKS = re.compile(
    r"\b(now\(\)|clock_timestamp\(\)|statement_timestamp\(\)|transaction_timestamp\(\)|current_timestamp|current_date"
    r"|localtimestamp)",
    re.IGNORECASE,
)
# Each by name, with the reason.
MAY_HIDE = {
    "src/guilder/kernel/noun.py::TYPE_CHECKING": "no import: mypy checks `replace` under the standard library's name",
}
# An outside call's timeout is a duration in seconds, not an amount.
MAY_FLOAT = {"performers", "adapters"}
FLOATS = {
    "src/guilder/domain/identity/service/clerk.py": "the seconds of a monotonic clock, for how old an answer is",
    "src/guilder/domain/identity/service/providers.py": "the seconds of a monotonic clock, for how old a discovery is",
    "src/guilder/domain/identity/service/token_trusts.py": "the seconds of a monotonic clock, for how old a key set is",
    "src/guilder/domain/orders/routes/checkout.py": "seconds that a page waits for the provider's address",
}


def test_only_the_edge_looks_at_the_clock():
    assert [said for page in pages("src") if not page.name.startswith(MAY_LOOK) for said in looks(page)] == []


def test_no_room_asks_the_databases_clock():
    assert [
        page.at(node) for page in pages("src") if page.room for node, text in strings(page) if _SQL_LOOKS.search(text)
    ] == []


def test_no_import_is_hidden():
    found = {name for page in pages("src") for name in hidden_imports(page)}
    assert found - set(MAY_HIDE) == set()
    assert set(MAY_HIDE) - found == set(), "not hidden any more: take it off the list"


@pytest.mark.shows("ASVS 1.4.2")
def test_no_float_in_the_business():
    business = [page for page in pages("src") if page.room and page.shelf not in MAY_FLOAT]
    found = {page.name: said for page in business if (said := list(floats(page)))}
    assert {name: said for name, said in found.items() if name not in FLOATS} == {}
    assert set(FLOATS) - set(found) == set(), "no float any more: take it off the list"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("looks", "import datetime\nx = datetime.datetime.now(datetime.UTC)"),
        ("looks", "x = datetime.utcnow()"),
        ("looks", "x = date.today()"),
        ("looks", "import time\nx = time.time()"),
        ("looks", "from time import time"),
        ("hidden_imports", "def f():\n    import os"),
        ("hidden_imports", "class A:\n    def f(self):\n        from os import path"),
        ("hidden_imports", "if TYPE_CHECKING:\n    import os"),
        ("floats", "x = float(y)"),
        ("floats", "def f(x: float) -> None: ..."),
        ("floats", "x = y * 0.19"),
    ],
)
def test_a_breach_is_noticed(check, text):
    page = a_page("guilder/domain/orders/service.py", text)
    assert len(list({"looks": looks, "hidden_imports": hidden_imports, "floats": floats}[check](page))) == 1


def looks(page: Page) -> Iterator[str]:
    for node in ast.walk(page.tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (owner, node.attr) in LOOKS:
                yield f"{page.at(node)}: {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"{page.at(node)}: {name.name}" for name in node.names if ("time", name.name) in LOOKS)


def hidden_imports(page: Page) -> Iterator[str]:
    for name, function in functions(page):
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function)):
            yield f"{page.name}::{name}"
    for node in ast.walk(page.tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield f"{page.name}::TYPE_CHECKING"


def floats(page: Page) -> Iterator[str]:
    for node in ast.walk(page.tree):
        if isinstance(node, ast.Name) and node.id == "float":
            yield f"{page.at(node)}: float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{page.at(node)}: {node.value}"
