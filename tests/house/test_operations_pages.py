"""The pages for whoever operates it: their links lead somewhere, their commands exist, their settings are settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from guilder.entrypoints.cli import whole
from guilder.platform.config import Settings
from guilder.wiring import access

UsageError: Any = typer.BadParameter.__base__  # Typer has a Click of its own
ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/operations").rglob("*.md"))
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_COMMAND = re.compile(r"(?<![\w/.-])guilder((?: [a-z][a-z-]*)+|(?: --?[a-z][a-z-]*)+)")
_ADDRESS = re.compile(r"`(?:(GET|POST|PUT|PATCH|DELETE) )(/[^`\s?]*)")
_SETTING = re.compile(r"`([A-Z][A-Z0-9_]{3,})(?:=[^`]*)?`")
# What other programs read, and words that are no settings.
OTHERS = {"AWS_REGION", "COMPOSE_PROFILES", "ERROR", "INFO", "WARNING", "DEBUG", "POST", "HEAD", "DELETE", "ALERTS"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / "docs/operations"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_page_and_to_a_heading_of_it(page):
    lost = []
    for target, heading in _LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path = (page.parent / target).resolve() if target else page
        headings = {anchor(each) for each in _HEADING.findall(path.read_text())} if path.suffix == ".md" else set()
        if not path.exists() or (heading and path.suffix == ".md" and heading not in headings):
            lost.append(f"{target}#{heading}")
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists(page):
    unknown = [words for words in commands(page.read_text()) if not exists(words.split())]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_command_with_what_it_is_given_is_understood(page):
    """Typed as it stands, `ID` and `N` being numbers; a command that is only named is given nothing."""
    spans = re.findall(r"`guilder ([^`…]+)`", page.read_text())
    assert [reason for span in spans if (reason := misunderstood(shlex.split(span)))] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "setting-up"], ids=name)
def test_every_setting_of_a_guide_is_one(page):
    known = {field.upper() for field in Settings.model_fields} | OTHERS
    assert set(_SETTING.findall(page.read_text())) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_address_is_served(page):
    def bare(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    served = {(method, bare(path)) for method, path in access.table().endpoints}
    named = {(method, bare(path)) for method, path in _ADDRESS.findall(page.read_text()) if "…" not in path}
    assert named - served == set()


def test_what_troubleshooting_quotes_is_said_by_the_code():
    """Of a quoted sentence every part between the values must be in the source."""
    source = "\n".join(path.read_text() for path in (ROOT / "src/guilder").rglob("*.py"))
    source = re.sub(r"\"\s*\n\s*f?\"", "", source)
    rows = re.findall(r"^\| ([^|]*) \|", (ROOT / "docs/operations/troubleshooting.md").read_text(), re.MULTILINE)
    quoted = [span for row in rows for span in re.findall(r"`([^`]+)`", row) if not span.startswith("/")]
    assert len(quoted) > 15
    parts = [
        part.strip(" .") for span in quoted for part in re.split(r"…|\bN\b|\b40[0-9]{2}\b|GUILDER_MASTER_KEY", span)
    ]
    assert [part for part in parts if len(part) > 3 and part not in source] == []


def test_the_index_names_every_page():
    index = (ROOT / "docs/operations/README.md").read_text()
    assert [name(page) for page in PAGES if page.name != "README.md" and f"]({name(page)})" not in index] == []


def test_a_command_that_does_not_exist_is_found():
    assert exists(["dead-letters", "replay"])
    assert not exists(["dead-letters", "bury"])
    assert not exists(["resurrect"])
    assert not misunderstood(["tenant", "suspend"])
    assert "reason" in misunderstood(["tenant", "suspend", "NAME"])


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def commands(text: str) -> Iterator[str]:
    """Return what is written as code after the word guilder, as far as it is words."""
    spans = re.findall(r"```(?:ba)?sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    for span in spans:
        for found in _COMMAND.findall(span):
            if not found.startswith(" -"):
                yield found.strip()


def exists(words: list[str]) -> bool:
    """Follow words from command to command, until one that takes arguments."""
    here = whole()
    for word in words:
        below = getattr(here, "commands", {})
        if not below:
            return True
        if word not in below:
            # `guilder backup` is a command, and has others under it.
            return bool(getattr(here, "invoke_without_command", False))
        here = below[word]
    return True


def misunderstood(words: list[str]) -> str:
    """Say why a command would not take these, or nothing."""
    here: Any = whole()
    rest = ["1" if word in {"ID", "N"} else word for word in words]
    while rest and rest[0] in getattr(here, "commands", {}):
        here = here.commands[rest.pop(0)]
    try:
        if rest:
            here.make_context("guilder", rest)
    except typer.Exit:  # --help
        return ""
    except UsageError as error:
        return f"guilder {' '.join(words)}: {error.format_message()}"
    return ""
