"""Other rooms see only a room's face: its nouns, its facts, its rules and its verbs; and where they say something over HTTP,
how it says its own."""

import ast
from collections.abc import Iterator

import pytest

from tests.house.source import Page, a_page, pages, rooms

FACE = {"model", "events", "rules", "service"}
# Who says a subscription is one of these; what they say of it is said by its own room (ADR 0034).
SAYING = {"schemas", "routes"}


def test_rooms_meet_at_their_faces_only():
    assert [said for page in pages("src") if page.room for said in breaches(page)] == []


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("from guilder.domain.payments import service as payments", False),
        ("from guilder.domain.payments.model import Payable", False),
        ("from guilder.domain.payments.rules import retry", False),
        ("from guilder.domain.orders.store import lock", False),
        ("from guilder.domain.payments import store", True),
        ("from guilder.domain.payments.store import lock", True),
        ("from guilder.domain.payments.service import collect", True),
        ("from guilder.domain.payments import service", True),
        ("import guilder.domain.payments.routes", True),
        ("from guilder.domain.payments.schemas import MethodOut", True),
    ],
)
def test_a_breach_is_noticed(line, is_refused):
    assert bool(list(breaches(a_page("guilder/domain/orders/service.py", line)))) is is_refused


@pytest.mark.parametrize(
    ("shelf", "is_refused"),
    [("schemas", False), ("routes", False), ("store", True), ("handlers", True), ("rules", True)],
)
def test_how_something_is_said_is_seen_by_who_says_it(shelf, is_refused):
    page = a_page(
        f"guilder/domain/orders/{shelf}/linking.py", "from guilder.domain.subscriptions.schemas import said_of"
    )
    assert bool(list(breaches(page))) is is_refused


def breaches(page: Page) -> Iterator[str]:
    known = {path.name for path in rooms()}
    for node, module, name, alias in _imports(page.tree):
        words = (*module.split("."), name) if name else tuple(module.split("."))
        if words[:2] != ("guilder", "domain") or len(words) < 3 or words[2] == page.room or words[2] not in known:
            continue
        room, shelf = words[2], words[3] if len(words) > 3 else None
        if shelf not in FACE and not (shelf == "schemas" and page.shelf in SAYING):
            yield f"{page.at(node)}: {room}.{shelf} is not a face of {room}"
        elif shelf == "service" and (len(words) > 4 or alias != room):
            yield f"{page.at(node)}: a call names its room: from guilder.domain.{room} import service as {room}"


def _imports(tree: ast.Module) -> Iterator[tuple[ast.AST, str, str | None, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the whole name"
            yield from ((node, node.module or "", alias.name, alias.asname) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name, None, alias.asname) for alias in node.names)
