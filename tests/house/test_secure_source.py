"""What opens doors stands nowhere in the source: unchecked certificates, shells, code from text, unescaped pages."""

import ast
import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from scripts import write_outside_calls

from guilder.platform.clock import WallClock
from guilder.platform.config import Settings
from guilder.wiring.performers import performers
from tests.house.source import ROOT, Page, a_page, pages

# PostgreSQL's own programs, and the simulated provider's process.
MAY_START_PROGRAMS = (
    "src/guilder/platform/db/embedded/",
    "src/guilder/entrypoints/backups/programs.py",
    "src/guilder/entrypoints/provider.py",
    "scripts/",
)
_UNCHECKED = {
    "CERT_NONE",
    "_create_unverified_context",
    "PROTOCOL_TLSv1",
    "PROTOCOL_TLSv1_1",
    "TLSv1",
    "TLSv1_1",
    "SSLv3",
}
_RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
_UNPACKS_CODE = {"pickle", "marshal", "shelve", "dill", "jsonpickle", "yaml", "xmlrpc"}
_STARTS = {"subprocess", "pty", "popen2", "commands"}
_SECRET = re.compile(r"(^|_)(signature|mac|hmac|seal|secret|token|password|token_hash|key_hash)$")
# Each by name, with the reason.
MAY_COMPARE = {
    "src/guilder/domain/orders/rules/links.py": "the form of a token, after its MAC was compared in constant time",
    "src/guilder/domain/notifications/rules/links.py": "as above",
}
MAY_CALL = {
    "src/guilder/platform/outside/http.py": "the guarded client itself",
    "src/guilder/wiring/doctor/command.py": "an address that its operator types, from the operator's own machine",
    "src/guilder/entrypoints/provider.py": "the simulated provider, on this machine",
    "src/guilder/entrypoints/cli/listen.py": "a developer's own machine: this API, and a receiver that is being written",
    "src/guilder/entrypoints/cli/connecting.py": "looks whether our own address can be reached",
    "src/guilder/entrypoints/cli/working.py": "looks at the processes of this machine",
    "src/guilder/entrypoints/demo/client.py": "the demo asks this API",
}
_PORTS = ("gateways", "typesetter", "files", "mailer", "texter")
MAY_MARK_UP = {
    "src/guilder/platform/outside/templating.py": "our own file, and sentences whose data are escaped already"
}


@pytest.mark.shows("ASVS 12.3.2", "ASVS 12.1.1", "API8")
def test_certificates_are_checked_everywhere():
    assert [said for page in (*pages("src"), *pages("scripts", "bench")) for said in unchecked(page)] == []


@pytest.mark.shows("ASVS 1.2.5", "ASVS 1.3.7")
def test_no_text_becomes_code_and_no_shell_is_started():
    assert [said for page in (*pages("src"), *pages("scripts", "bench")) for said in runs_text(page)] == []


@pytest.mark.shows("ASVS 1.2.5")
def test_programs_are_started_in_few_places_only():
    started = [page.at(node) for page in pages("src") for node in starts(page)]
    assert [place for place in started if not place.startswith(MAY_START_PROGRAMS)] == []


@pytest.mark.shows("ASVS 1.2.1", "ASVS 1.3.7", "API8")
def test_every_page_is_escaped_by_its_environment():
    found = [page.at(node) for page in pages("src") for node in environments(page)]
    assert len(found) >= 4, "there are pages"
    assert [said for page in pages("src") for said in unescaped(page)] == []


@pytest.mark.shows("ASVS 1.2.1")
def test_no_template_steps_out_of_its_escaping():
    templates = [path for path in (ROOT / "src").rglob("templates/**/*.html") if path.is_file()]
    assert len(templates) > 5
    # The simulated provider's own style sheet, whose hash its policy names.
    out = [(path.name, text) for path in templates for text in stepping_out(path.read_text())]
    assert out == [("base.html", "{{ style | safe }}")]
    marked = {page.name for page in pages("src") for node in walked(page, r"Markup\(") if _called(node) == "Markup"}
    assert marked == set(MAY_MARK_UP)


@pytest.mark.shows("ASVS 1.2.3", "ASVS 3.4.3")
def test_no_page_holds_a_script_into_which_data_could_go():
    templates = [path for path in (ROOT / "src").rglob("*.html") if path.is_file()]
    assert [path.name for path in templates if re.search(r"<script|\son[a-z]+\s*=|javascript:", path.read_text())] == []


@pytest.mark.shows("ASVS 11.2.4")
def test_secrets_are_compared_in_constant_time():
    found = {page.name: said for page in pages("src") if (said := compared(page))}
    assert {name: said for name, said in found.items() if name not in MAY_COMPARE} == {}
    assert set(MAY_COMPARE) - set(found) == set(), "no longer so: take it off the list"


@pytest.mark.shows("ASVS 13.4.1", "ASVS 13.4.3")
def test_no_folder_is_served():
    mounted = [
        page.at(node)
        for page in pages("src")
        for node in walked(page, r"StaticFiles|mount\(")
        if _called(node) in {"StaticFiles", "mount"}
    ]
    assert mounted == []


@pytest.mark.shows("ASVS 13.2.4", "ASVS 1.3.6", "API7", "ASVS 15.3.2")
def test_nobody_calls_the_outside_but_through_the_guarded_client():
    found = {page.name for page in pages("src") if page.place[0] == "guilder" and list(clients(page))}
    assert found - MAY_CALL.keys() == set()
    assert MAY_CALL.keys() - found == set(), "calls nobody any more: take it off the list"


@pytest.mark.shows("ASVS 13.1.1", "ASVS 13.1.2", "ASVS 13.1.3", "ASVS 13.2.6")
def test_the_page_of_outside_calls_is_fresh_and_names_every_performer():
    assert write_outside_calls.PAGE.read_text() == write_outside_calls.page(), "scripts/write_outside_calls.py"
    listed = {id(limits) for _, limits, _, _ in write_outside_calls.INTENTS}
    there = performers(SimpleNamespace(**dict.fromkeys(_PORTS), base_url="https://x.example"), Settings(), WallClock())
    assert [type(each).__name__ for each in there if id(each.limits) not in listed] == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("unchecked", "httpx.AsyncClient(verify=False)"),
        ("unchecked", "context.check_hostname = False"),
        ("unchecked", "context.verify_mode = ssl.CERT_NONE"),
        ("unchecked", "ssl._create_unverified_context()"),
        ("runs_text", "subprocess.run('ls', shell=True)"),
        ("runs_text", "eval(text)"),
        ("runs_text", "import pickle"),
        ("runs_text", "from yaml import load"),
        ("runs_text", "os.system(text)"),
        ("unescaped", "Environment(loader=x)"),
        ("unescaped", "jinja2.Environment(loader=x, autoescape=False)"),
        ("compared", "if given_signature == expected: pass"),
        ("compared", "x = row.token_hash != digest"),
    ],
)
def test_a_breach_is_noticed(check, text):
    checks = {"unchecked": unchecked, "runs_text": runs_text, "unescaped": unescaped, "compared": compared}
    assert len(list(checks[check](a_page("guilder/domain/orders/service.py", text)))) == 1


def walked(page: Page, hint: str) -> Iterator[ast.AST]:
    """Walk a page that has a word of these: most have none, and walking all of them takes long."""
    return ast.walk(page.tree) if re.search(hint, page.text) else iter(())


def unchecked(page: Page) -> Iterator[str]:
    for node in walked(page, r"verify|check_hostname|CERT_NONE|unverified|TLSv1|SSLv3"):
        name = getattr(node, "attr", getattr(node, "id", ""))
        is_off = isinstance(node, ast.Assign) and _is(node.value, False)
        turned_off = is_off and any(getattr(each, "attr", "") == "check_hostname" for each in node.targets)
        if turned_off or name in _UNCHECKED or any(_keyword(node, "verify", off) for off in (False, None)):
            yield f"{page.at(node)}: {ast.unparse(node)[:60]}"


def runs_text(page: Page) -> Iterator[str]:
    for node in walked(page, rf"\b(?:{'|'.join(_RUNS_TEXT | _UNPACKS_CODE)}|shell|system|popen)\b"):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            if {name.partition(".")[0] for name in names} & _UNPACKS_CODE:
                yield page.at(node)
        elif isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name) and node.func.id in _RUNS_TEXT
            if plain or ast.unparse(node.func) in {"os.system", "os.popen"} or _keyword(node, "shell", True):
                yield page.at(node)


def clients(page: Page) -> Iterator[ast.AST]:
    for node in walked(page, r"AsyncClient\(|Client\(|urllib\.request|import requests|import aiohttp|http\.client"):
        if isinstance(node, ast.Import) and {each.name for each in node.names} & {
            "requests",
            "aiohttp",
            "urllib.request",
            "http.client",
        }:
            yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "httpx.AsyncClient",
            "httpx.Client",
            "AsyncClient",
        }:
            yield node


def starts(page: Page) -> Iterator[ast.AST]:
    for node in walked(page, r"subprocess|pty|popen|commands|exec|spawn"):
        is_import = isinstance(node, ast.Import) and any(each.name in _STARTS for each in node.names)
        if (
            is_import
            or "create_subprocess" in _called(node)
            or _called(node) in {"execv", "execve", "spawnv", "posix_spawn"}
        ):
            yield node


def environments(page: Page) -> Iterator[ast.Call]:
    for node in walked(page, r"jinja2|Environment\(loader"):
        if isinstance(node, ast.Call) and _called(node).endswith("Environment"):
            yield node


def unescaped(page: Page) -> Iterator[str]:
    for call in environments(page):
        passed = ast.unparse(
            next((each.value for each in call.keywords if each.arg == "autoescape"), ast.Constant(None))
        )
        # Texts and subjects of mails are no HTML; one function makes both kinds (templating).
        if passed != "True" and not (
            passed == "autoescape" and page.name == "src/guilder/platform/outside/templating.py"
        ):
            yield f"{page.at(call)}: autoescape={passed}"


def stepping_out(template: str) -> list[str]:
    return re.findall(r"\{\{[^}]*\|\s*(?:safe|tojson)[^}]*\}\}|\{%\s*autoescape\s+false.*?%\}", template)


def compared(page: Page) -> list[str]:
    return [
        f"{page.at(node)}: {ast.unparse(node)}"
        for node in walked(
            page,
            r"(?:signature|mac|seal|secret|token|password|hash)\b[^=\n]*[!=]=|[!=]=.*(?:signature|mac|seal|secret|token|password|hash)",
        )
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
        and any(
            _SECRET.search(getattr(each, "attr", getattr(each, "id", ""))) for each in (node.left, *node.comparators)
        )
        and not any(isinstance(each, ast.Constant) for each in (node.left, *node.comparators))
    ]


def _called(node: ast.AST) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""


def _keyword(node: ast.AST, name: str, value: object) -> bool:
    return isinstance(node, ast.Call) and any(each.arg == name and _is(each.value, value) for each in node.keywords)


def _is(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
