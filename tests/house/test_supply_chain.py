"""What we ship is pinned, may be shipped, holds nobody's secret, and is written down; what could not be looked at is said."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from scripts import audit, check_licences, check_secrets

ROOT = Path(__file__).parents[2]


@pytest.mark.shows("ASVS 15.2.4", "ASVS 15.1.2")
@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_pinned_with_its_hashes(name):
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert len(entries) > 50
    assert [each.partition("\n")[0] for each in entries if "--hash=sha256:" not in each or "==" not in each] == []


@pytest.mark.shows("ASVS 15.1.2", "ASVS 15.2.4")
def test_what_is_asked_for_at_run_time_is_what_the_lock_holds():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [each for each in wanted if f"\n{each.lower()}" not in "\n" + (ROOT / "requirements.lock").read_text()] == []


@pytest.mark.shows("ASVS 15.1.2")
def test_the_sbom_names_every_package_of_the_lock(tmp_path):
    made = tmp_path / "sbom.json"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.lock"]
    subprocess.run(
        [*command, "--pyproject", "pyproject.toml", "--of", "JSON", "--no-validate", "-o", made], cwd=ROOT, check=True
    )
    bill = json.loads(made.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "guilder"
    names = {each["name"] for each in bill["components"]}
    assert names == set(check_licences.names((ROOT / "requirements.lock").read_text()))


@pytest.mark.shows("ASVS 15.1.1", "PCI 6.3.3")
def test_every_licence_lets_us_ship():
    assert check_licences.main() == 0


@pytest.mark.parametrize(
    ("expression", "classified", "text", "refused"),
    [
        ("MIT", [], "", False),
        ("Apache-2.0 OR GPL-3.0-only", [], "", False),
        ("MIT AND GPL-3.0-only", [], "", True),
        ("AGPL-3.0-or-later", [], "", True),
        ("", ["MIT License"], "GPL", False),
        ("", ["GNU General Public License v3 (GPLv3)"], "", True),
        ("", ["GNU Affero General Public License v3"], "", True),
        ("", [], "MIT", False),
        ("", [], "Proprietary", True),
        ("", [], "", True),
    ],
)
def test_a_licence_is_judged_by_its_expression_its_classifiers_or_its_words(expression, classified, text, refused):
    assert (check_licences.judged(expression, classified, text) is not None) == refused


def test_an_exception_is_still_in_the_lock():
    names = check_licences.names((ROOT / "requirements.lock").read_text())
    assert set(check_licences.EXCEPTIONS) - set(names) == set(), "gone: take it off the list"


@pytest.mark.shows("ASVS 13.3.1", "PCI 2.2.2")
def test_the_tree_holds_nobodys_secret():
    there = list(check_secrets.in_the_tree())
    assert [each for each in there if each[:2] not in check_secrets.EXPECTED] == []
    assert set(check_secrets.EXPECTED) - {each[:2] for each in there} == set(), "gone: take it off the list"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234",
        "sk_" + "live_abcdefghijklmnop1234",
        "gk_" + "live_" + "a" * 49,
        "whsec_" + "A" * 32,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "url = postgresql://app:" + "S3cr3tW0rd@db:5432/x",
        "eyJhbGciOiJSUzI1NiIsInR5" + ".eyJzdWIiOiIxMjM0NTY3ODkwIiwi." + "c2lnbmF0dXJlc2lnbmF0dXJl",
    ],
)
def test_a_secret_is_found(text):
    assert [line for _, line in check_secrets.found("first\n" + text)] == [2]


@pytest.mark.shows("ASVS 15.1.1", "PCI 6.3.1", "PCI 6.3.3")
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, ""),
        ([{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}], 1, "X-1, fixed in 2"),
        ([{"name": "a", "version": "1", "vulns": [{"id": "X-2", "fix_versions": []}]}], 1, "no version yet"),
        ([{"name": "a", "version": "1", "vulns": [{"id": "X-3", "fix_versions": []}]}], 0, ""),
        ([{"name": "a", "version": "1", "vulns": [{"id": "X-4", "fix_versions": []}]}], 1, "X-4"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "NOT AUDITED"),
        ([], 0, "NOT AUDITED"),
    ],
)
def test_a_known_vulnerability_fails_and_silence_is_no_clean_bill(monkeypatch, capsys, tmp_path, answer, status, said):
    monkeypatch.setattr(audit, "ACCEPTED", {"X-3": ("not reached", "2999-01-01"), "X-4": ("not reached", "2020-01-01")})
    monkeypatch.setattr(audit, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(audit, "asked", lambda _: answer)
    assert audit.main() == status
    assert said in capsys.readouterr().out
    assert (tmp_path / "stamp").is_file() == (status == 0 and said == "")


def test_an_audit_that_passed_is_not_repeated_on_the_same_day(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(audit, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(audit, "asked", lambda name: asked.append(name) or [{"name": "a", "version": "1", "vulns": []}])
    assert [audit.main(), audit.main()] == [0, 0]
    assert len(asked) == 2  # one package first, then all: once
