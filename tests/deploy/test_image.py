"""The image: what goes into its build, what of it is left at the end, and what it says that it consists of."""

import importlib.metadata
import json
import re
import runpy
import subprocess
import sys
import tomllib
from fnmatch import translate
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from guilder.entrypoints.cli import whole

ROOT = Path(__file__).parents[2]
HEALTH = runpy.run_path(str(ROOT / "deploy/docker/healthcheck.py"))


def stages() -> list[list[tuple[str, str]]]:
    """Return the Dockerfile's instructions, stage by stage."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    lines = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in lines:
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, " ".join(rest.split())))
    return found


def said(word: str) -> list[str]:
    return [rest for each, rest in stages()[-1] if each == word]


# ---- the Dockerfile -------------------------------------------------------------------------------------------------


@pytest.mark.shows("ASVS 15.2.4", "ASVS 15.1.2")
def test_everything_that_is_installed_is_in_the_lock_with_its_hash():
    installs = [rest for stage in stages() for word, rest in stage if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all: -r requirements.lock" in installs[0]
    assert "--no-deps --no-index ." in installs[1]


@pytest.mark.shows("ASVS 15.2.3", "ASVS 13.4.6", "PCI 2.2.4")
def test_the_last_stage_holds_no_tools_and_no_more_than_what_runs():
    runs = " ".join(said("RUN"))
    assert not re.search(r"apt-get|apt |apk |gcc|build-essential|curl|wget|git |pip install", runs)
    assert "pip uninstall --yes" in runs
    copies = said("COPY")
    assert all(each.startswith(("--from=build /opt/guilder ", "--from=sbom ", "deploy/docker/")) for each in copies)


@pytest.mark.shows("ASVS 13.2.2", "PCI 2.2.6")
def test_it_runs_as_nobody_of_this_machine_and_hears_signals_itself():
    assert said("USER") == ["10001:10001"]
    assert json.loads(said("ENTRYPOINT")[0]) == ["guilder"]
    assert json.loads(said("CMD")[0]) == ["serve"]
    assert said("STOPSIGNAL") == ["SIGTERM"]
    assert "APP_ENV=production" in said("ENV")[0], "safe unless told otherwise"
    assert said("HEALTHCHECK")


def test_every_role_is_a_command():
    known = set(whole().commands)
    assert {"serve", "work", "schedule", "relay", "migrate"} <= known


# ---- what goes into the build ---------------------------------------------------------------------------------------


def taken(path: str) -> bool:
    """Say whether a path goes into the build, by the rules of .dockerignore: the last that fits decides."""
    is_taken = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        is_exception = rule.startswith("!")
        parts = rule.lstrip("!").strip("/").split("/")
        pattern = "".join(
            "(?:.*/)?" if each == "**" else translate(each)[4:-3].replace(".*", "[^/]*") + "/" for each in parts
        )
        # What fits a folder holds for everything in it.
        if re.fullmatch(pattern.removesuffix("/") + "(?:/.*)?", path):
            is_taken = is_exception
    return is_taken


@pytest.mark.shows("ASVS 13.3.1", "ASVS 13.4.1")
@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.production", "src/.env", "src/guilder/.env", "deploy/docker/.env", ".git/config", "src/.git/config",
        ".data/master.key", ".data/compose.env", "src/guilder/server.key", "deploy/docker/tls.pem", "tests/conftest.py",
        ".venv/bin/python", "docs/howto/stripe.md", "compose.env", "requirements-dev.lock", "bench/journey.py", ".ci/run",
        "src/guilder/__pycache__/x.pyc", "src/guilder.egg-info/PKG-INFO", "deploy/aws/production.env", ".ssh/id_ed25519",
    ],
)  # fmt: skip
def test_no_secret_and_nothing_that_is_not_needed_goes_into_the_build(path):
    assert not taken(path)


def test_all_that_the_product_consists_of_goes_into_the_build():
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert [path for path in listed.splitlines() if not taken(path)] == []
    copied = [rest for stage in stages() for word, rest in stage if word == "COPY" and "--from" not in rest]
    for each in copied:
        for source in each.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert taken(source + ("/x" if (ROOT / source).is_dir() else "")), source


# ---- what it consists of, and whether it lives ----------------------------------------------------------------------


@pytest.mark.shows("ASVS 15.1.2")
def test_its_bill_of_materials_is_cyclonedx_and_names_what_is_installed():
    made = subprocess.run([sys.executable, ROOT / "deploy/docker/sbom.py"], capture_output=True, check=True, text=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made.stdout) is None
    bill = json.loads(made.stdout)
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/guilder@{importlib.metadata.version('guilder')}"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    named = {(each["name"], each["version"]) for each in bill["components"]}
    assert {tuple(each.lower().split("==")) for each in wanted} - named == set()
    if Path("/var/lib/dpkg/status").exists():
        assert any(each["purl"].startswith("pkg:deb/debian/libc6@") for each in bill["components"] if "purl" in each)


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("/opt/guilder/bin/python /opt/guilder/bin/guilder serve", "serve"),
        ("/sbin/docker-init -- guilder work --group payments", "work"),
        ("/opt/guilder/bin/python -m simulated_provider", ""),
        ("python /usr/local/lib/guilder/healthcheck.py", ""),
    ],
)
def test_the_health_check_knows_which_role_it_looks_at(command, role):
    assert HEALTH["role"]("\0".join(command.split()).encode() + b"\0") == role


def test_the_health_check_has_a_door_for_every_role_that_stays():
    assert set(HEALTH["DOORS"]) == {"serve", "up", "work", "schedule", "relay"}
    assert f"{HEALTH['DOORS']['work']}=" in said("ENV")[0]


def test_the_health_check_says_no_where_nobody_answers(monkeypatch, capsys):
    monkeypatch.setitem(HEALTH["main"].__globals__, "commands", lambda: iter([b"guilder\0serve\0"]))
    monkeypatch.setenv("PORT", "9")
    assert HEALTH["main"]() == 1
    assert "http://127.0.0.1:9/health" in capsys.readouterr().out
