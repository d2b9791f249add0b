"""The pages about security are true: nothing is stale, nothing named is missing, and what is not shown says so."""

import ast
import re
from urllib.parse import urlsplit

import pytest
from scripts import write_checklist

from guilder.entrypoints.cli import whole
from guilder.wiring import access
from tests.house.source import ROOT

PAGES = sorted((ROOT / "docs" / "security").glob("*.md"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"`guilder ([a-z][a-z -]*)")
_ADDRESS = re.compile(r"`(?:(GET|POST|PUT|PATCH|DELETE) )(/[^`\s?]*)")


def test_the_checklist_holds_together_and_is_fresh():
    table, found = write_checklist.asked(), write_checklist.shown()
    assert write_checklist.wrong(table, found) == []
    assert write_checklist.PAGE.read_text() == write_checklist.page(table, found), (
        "scripts/write_checklist.py writes it"
    )


def test_what_is_not_shown_yet_is_not_said_to_be_shown_by_a_test():
    table, found = write_checklist.asked(), write_checklist.shown()
    assert sorted(set(table["not_yet"]) & set(found)) == [], "shown by now: take it off the list"
    assert all(len(reason) > 20 for reason in table["not_yet"].values()), "a reason is a sentence"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda path: path.name)
def test_every_link_leads_somewhere(page):
    links = [urlsplit(link) for link in _LINK.findall(page.read_text())]
    assert [
        link.path for link in links if not link.scheme and link.path and not (page.parent / link.path).exists()
    ] == []


@pytest.mark.parametrize(
    "page", [each for each in PAGES if each.name in {"incidents.md", "pci.md"}], ids=lambda p: p.name
)
def test_the_runbook_names_commands_and_addresses_that_exist(page):
    text = page.read_text()
    assert [said for said in _COMMAND.findall(text) if not is_command(said.split())] == []
    served = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in access.table().endpoints}
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in _ADDRESS.findall(text)}
    assert named - served == set()


def is_command(words: list[str]) -> bool:
    """Follow the words down the tree of commands as far as they name one; options and names may follow a command."""
    here = whole()
    for word in words:
        below = getattr(here, "commands", {})
        if not below:
            return True
        if word not in below:
            return False
        here = below[word]
    return True


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('@pytest.mark.shows("A", "B")\ndef test_x(): ...', [("test_x", ["A", "B"])]),
        ('@pytest.mark.shows("A")\n@other\nasync def test_x(): ...', [("test_x", ["A"])]),
        ('pytestmark = [pytest.mark.shows("A"), slow]\ndef test_x(): ...', [("test_x", ["A"])]),
        ('@pytest.mark.shows("A")\nclass TestX:\n  @pytest.mark.shows("B")\n  def test_x(self): ...', [("TestX::test_x", ["A", "B"])]),
        ('@pytest.mark.shows("A")\ndef helper(): ...', []),
        ("def test_x(): ...", []),
    ],
)  # fmt: skip
def test_the_marks_are_read_from_the_source(source, shown):
    assert list(write_checklist.marks(ast.parse(source))) == shown


@pytest.mark.parametrize(
    ("table", "found", "said"),
    [
        ({"section": [{"prefix": "", "items": {"A": "x"}}]}, {}, "neither shown nor said why not: A"),
        ({"section": []}, {"B": {}}, "a test shows what nobody asks: B"),
        ({"section": [], "not_yet": {"C": "why"}}, {}, "a file or a reason for what nobody asks: C"),
        (
            {"section": [{"prefix": "", "items": {"A": "x"}}], "files": {"A": ["nowhere.md"]}},
            {},
            "there is no nowhere.md",
        ),
    ],
)
def test_what_does_not_hold_together_is_noticed(table, found, said):
    assert write_checklist.wrong(table, found) == [said]
