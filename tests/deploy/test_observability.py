"""Alerts and dashboards speak of figures that exist, are tried, and each alert says what is to be done."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from guilder.platform import metrics
from guilder.platform.cards import looks_like_card

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy/observability"
RULES = HERE / "prometheus/rules/guilder.rules.yml"
RUNBOOKS = ROOT / "docs/operations/runbooks.md"
DASHBOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))

# What Prometheus itself says, and what it makes of a histogram or a counter.
ITS_OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
_SUFFIXES = ("_bucket", "_sum", "_count", "_total")
_SELECTED = re.compile(r"\b(guilder_[a-z_]+|process_[a-z_]+|python_[a-z_]+|up|ALERTS)\b(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def promtool(*arguments: str, folder: Path) -> None:
    said = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.needs_promtool
def test_prometheus_takes_the_configuration_and_the_rules():
    promtool("check", "config", "--syntax-only", "prometheus.yml", folder=HERE / "prometheus")
    promtool("check", "rules", RULES.name, folder=RULES.parent)


@pytest.mark.needs_promtool
def test_every_alert_fires_for_what_it_is_about_and_none_when_all_is_well():
    promtool("test", "rules", "guilder.test.yml", folder=RULES.parent)


def test_every_alert_is_tried():
    tried = yaml.safe_load((RULES.parent / "guilder.test.yml").read_text())["tests"]
    assert {each["name"].partition(" ")[0] for each in tried} - {"all"} == {alert["alert"] for alert in alerts()}


def test_every_alert_says_how_bad_it_is_and_where_to_read_on():
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert
        assert {"summary", "description", "runbook_url"} == set(alert["annotations"]), alert
        assert alert["annotations"]["runbook_url"] == "{{ $externalLabels.runbooks }}#" + alert["alert"].lower()
    known = yaml.safe_load((RULES.parents[1] / "prometheus.yml").read_text())["global"]["external_labels"]
    assert known["runbooks"].endswith("/docs/operations/runbooks.md")


def test_every_alert_has_its_page_in_the_runbook_and_the_other_way_round():
    sections = re.findall(r"^## (Guilder\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == {alert["alert"] for alert in alerts()}


def test_every_page_says_what_it_means_what_to_do_and_how_to_know_that_it_is_over():
    for section in re.split(r"^## ", RUNBOOKS.read_text(), flags=re.MULTILINE)[1:]:
        if section.startswith("Guilder"):
            missing = [part for part in ("**Means.**", "**See.**", "**Do.**", "**Over**") if part not in section]
            assert not missing, (section.splitlines()[0], missing)


def test_the_rules_speak_of_figures_and_labels_that_are_on_the_page():
    for alert in alerts():
        assert strangers(alert["expr"]) == [], alert["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_speaks_of_figures_and_labels_that_are_on_the_page(path):
    board = json.loads(path.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert asked
    assert [stranger for expression in asked for stranger in strangers(expression)] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_opened_on_any_prometheus(path):
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    assert [each["name"] for each in board["templating"]["list"] if each["type"] == "datasource"] == ["datasource"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert {source["datasource"]["uid"] for source in panel["targets"]} == {"${datasource}"}, panel["title"]
    covered = [(p["gridPos"]["x"] + dx, p["gridPos"]["y"] + dy) for p in board["panels"] for dx, dy in cells(p)]
    assert len(covered) == len(set(covered)), "panels lie on one another"


def test_the_dashboards_are_four_with_names_of_their_own():
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["title"] for board in boards}) == len(boards) == 4
    provided = yaml.safe_load((HERE / "grafana/provisioning/dashboards/guilder.yml").read_text())["providers"]
    assert [each["type"] for each in provided] == ["file"]
    assert yaml.safe_load((HERE / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]


def test_of_redis_and_the_replica_only_who_has_them_speaks():
    """A 0 of a process that was given neither would be an alert that never ends."""
    said = """
from guilder.platform import metrics
names = ("guilder_redis_up", "guilder_replica_used", "guilder_replica_lag_seconds")
print([each for each in names if each in metrics.render().decode()])
metrics.redis_is(there=False)
metrics.replica_lags(seconds=3, is_used=False)
print([each for each in names if f"{each} " in metrics.render().decode()] == list(names))
"""
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


@pytest.mark.shows("ASVS 14.2.1")
def test_no_label_of_the_page_says_who_is_billed():
    """What could name a person, a customer or a card is no label; a stranger's text becomes one of a few words."""
    suspicious = {
        "tenant",
        "tenant_id",
        "customer",
        "customer_id",
        "email",
        "user",
        "ip",
        "path",
        "url",
        "card",
        "actor",
    }
    for name, labels in page().items():
        assert not labels & suspicious, name
    for index in range(300):
        metrics.payment_ended(gateway=f"g{index}", outcome="declined", code=f"4242 4242 4242 {index:04}")
        metrics.announced(names=[f"made.up.{index}"] * 2)
    shown = [
        text
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        for text in sample.labels.values()
    ]
    assert len(shown) < 60_000
    assert not [text for text in shown if looks_like_card(text)]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def strangers(expression: str) -> list[str]:
    """Name what an expression asks for that nobody would answer: a figure, or a label that its figures do not have."""
    known, wrong, labels = page(), [], set()
    for name, selector in _SELECTED.findall(expression):
        if name not in known:
            wrong.append(name)
            continue
        labels |= known[name]
        chosen = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector))
        wrong += [f"{name}{{{label}}}" for label in chosen - known[name]]
    grouped = {label.strip() for found in _GROUPED.findall(expression) for label in found.split(",")}
    return wrong + [f"by ({label})" for label in grouped - labels]


def test_what_nobody_would_answer_is_found():
    assert strangers("max(guilder_renewals_late_seconds)") == []
    assert strangers("max(guilder_renewals_late)") == ["guilder_renewals_late"]
    assert strangers('guilder_payments_total{provider="stripe"}') == ["guilder_payments_total{provider}"]
    assert strangers("sum by (shop) (guilder_payments_total)") == ["by (shop)"]


def page() -> dict[str, set[str]]:
    """Every series that the page can have, with its labels: asked of the registry, so that nothing has to be touched."""
    found = dict(ITS_OWN)
    for sample in (each for family in metrics.registry.collect() for each in family.samples):
        found.setdefault(sample.name, {*sample.labels, "job", "instance"})
    for collector in list(metrics.registry._collector_to_names):
        for name in metrics.registry._collector_to_names[collector]:
            labels = set(getattr(collector, "_labelnames", ())) | {"job", "instance"}
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    return ((dx, dy) for dx in range(place["w"]) for dy in range(place["h"]))
