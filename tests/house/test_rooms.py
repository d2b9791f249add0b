"""Every room has the same few file names, its plate at the door, and its SQL in one place."""

import ast
import re

import pytest

from tests.house.source import Page, a_page, pages, rooms, strings

FILES = {
    "__init__",
    "model",
    "events",
    "rules",
    "store",
    "service",
    "schemas",
    "routes",
    "handlers",
    "jobs",
    "performers",
    "templates",
}
ALSO = {"gateways": {"port", "adapters"}}
SPEAKS_SQL = {
    "fetch",
    "fetchrow",
    "fetchval",
    "execute",
    "executemany",
    "copy_records_to_table",
    "cursor",
    "prepare",
    "send",
}
_TABLE = re.compile(r"\b(?:from|join|into|update|only)\s+([a-z_]+)\.[a-z_]+", re.IGNORECASE)


@pytest.mark.parametrize("room", rooms(), ids=lambda path: path.name)
def test_a_room_has_no_other_file_at_its_top(room):
    found = {path.stem for path in room.iterdir() if path.name != "__pycache__"}
    assert found - FILES - ALSO.get(room.name, set()) == set()


@pytest.mark.parametrize("room", rooms(), ids=lambda path: path.name)
def test_the_door_carries_a_plate_and_nothing_else(room):
    tree = ast.parse((room / "__init__.py").read_text())
    assert [type(node) for node in tree.body] == [ast.Expr], "only prose"
    plate = ast.get_docstring(tree) or ""
    assert [word for word in ("Owns:", "Announces:", "Calls:", "Never:") if word not in plate] == []


@pytest.mark.shows("ASVS 1.2.4")
def test_only_store_speaks_sql():
    spoken = [
        f"{page.at(node)}: .{node.func.attr}()"
        for page in pages("src")
        if page.room and page.shelf != "store"
        for node in ast.walk(page.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SPEAKS_SQL
        # `tx.fetch(...)`, `connection.execute(...)`, not `client.fetch(...)` of an adapter
        and re.search(r"\b(tx|connection|conn|db|database|pool)\b", ast.unparse(node.func.value))
    ]
    assert spoken == []


def test_a_store_keeps_to_its_own_schema():
    assert [said for page in pages("src") if page.shelf == "store" for said in foreign_tables(page)] == []


def test_a_foreign_table_is_noticed():
    text = 'SQL = "select * from payments.payments join ledger.entries using (id)"'
    assert len(foreign_tables(a_page("guilder/domain/ledger/store.py", text))) == 1


def foreign_tables(page: Page) -> list[str]:
    others = {path.name for path in rooms()} - {page.room}
    return [
        f"{page.at(node)}: {match[1]}"
        for node, text in strings(page)
        for match in _TABLE.finditer(text)
        if match[1] in others
    ]
