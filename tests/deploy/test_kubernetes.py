"""Kubernetes' manifests build, fit its schemas, and start what there is to start: restricted, probed, and given time to stop."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.write_limits import rules_of, the_application

from guilder.entrypoints.checking import Weight, findings
from guilder.entrypoints.cli import whole
from guilder.entrypoints.serving import GRACE_S
from guilder.platform.config import Settings
from guilder.platform.config.documents import is_secret
from tests.support import schemas

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAY = FOLDER / "overlays" / "production"
# The oldest that these are for: what it takes, later ones take.
VERSION = "1.30"
KUSTOMIZED = Path(__file__).parent / "kustomized.yaml"
AGAIN = "made anew by: kubectl kustomize deploy/kubernetes/overlays/production >tests/deploy/kustomized.yaml"
ROLES = ("api", "worker", "scheduler", "relay")
SERVED = {"api": "PORT"}
# Given as a secret always: what such a thing would look like in the secret `guilder`.
EXAMPLES = {
    "DATABASE_URL": "postgresql://guilder_login:word@db.example.com/guilder",
    "DATABASE_OWNER_URL": "postgresql://guilder_owner:word@db.example.com/guilder",
    "DATABASE_DOCTOR_URL": "postgresql://guilder_doctor_login:word@db.example.com/guilder",
    "GUILDER_MASTER_KEY": "kms:aws:arn:aws:kms:eu-central-1:123456789012:key/1",
    "METRICS_TOKEN": "a-token-of-twenty-letters-or-more",
}


def _documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def _merged(below: Any, above: Any) -> Any:
    """Lay a patch over a document, as kustomize does where a list is not told by its items' names."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _merged(below.get(key), value) for key, value in above.items()}
    return above


def built(folder: Path) -> list[dict[str, Any]]:
    """Build a kustomization as far as ours goes: resources, labels, a namespace, images and patches of whole documents."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found: list[dict[str, Any]] = []
    for each in said["resources"]:
        path = folder / each
        found += built(path) if path.is_dir() else _documents(path)
    for patch in said.get("patches", []):
        for above in _documents(folder / patch["path"]):
            [at] = [i for i, each in enumerate(found) if _who(each) == _who(above)]
            found[at] = _merged(found[at], above)
    for document in found:
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = said["namespace"]
        for labels in said.get("labels", []):
            document["metadata"].setdefault("labels", {}).update(labels["pairs"])
            for selector in _selectors(document):
                selector.update(labels["pairs"])
        for image in said.get("images", []):
            for container in (one for pod in _pods([document]) for one in pod["containers"]):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def _who(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _selectors(document: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the labels by which a document chooses pods, and those of the pods that it makes."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Deployment":
            yield spec["selector"]["matchLabels"]
            yield spec["template"]["metadata"]["labels"]
        case "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"]
        case "Service":
            yield spec["selector"]
        case "Job":
            yield spec["template"]["metadata"]["labels"]
        case "CronJob":
            yield spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"]


def _pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in documents:
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if each["kind"] in {"CronJob", "Deployment", "Job"}:
            yield spec["template"]["spec"]


PRODUCTION = built(OVERLAY)
PODS = {pod["containers"][0]["name"]: pod for pod in _pods(PRODUCTION)}


def test_there_is_a_process_for_each_role_and_what_is_run_once():
    assert set(PODS) == {*ROLES, "migrate", "doctor"}
    kinds = {each["kind"] for each in PRODUCTION}
    assert kinds >= {
        "Ingress",
        "Service",
        "ConfigMap",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    assert "Secret" not in kinds, "secrets are referred to, and lie nowhere here"


@pytest.mark.parametrize("document", PRODUCTION, ids=lambda each: "-".join(_who(each)))
def test_a_document_fits_the_schema(document):
    schemas.check(document, VERSION)


def test_a_document_that_does_not_fit_is_refused():
    [api] = [each for each in PRODUCTION if _who(each) == ("Deployment", "api")]
    with pytest.raises(schemas.NotFitting):
        schemas.check(_merged(api, {"spec": {"replica": 2}}), VERSION)


def test_what_is_tested_is_what_kustomize_builds():
    """What kustomize 5 made of these files lies beside this test, so that nobody needs it who changes nothing here."""
    theirs = {_who(each): each for each in yaml.safe_load_all(KUSTOMIZED.read_text())}
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        made = subprocess.run([kubectl, "kustomize", OVERLAY], capture_output=True, text=True, check=True).stdout
        assert theirs == {_who(each): each for each in yaml.safe_load_all(made)}, AGAIN
    assert set(theirs) == {_who(each) for each in PRODUCTION}
    for ours in PRODUCTION:
        if ours["kind"] == "NetworkPolicy":
            continue  # kustomize's labels do not reach selectors of these; what it does to others is compared
        assert _without_labels(ours) == _without_labels(theirs[_who(ours)]), AGAIN


def _without_labels(value: Any) -> Any:
    """Leave labels out that only say what something is part of: kustomize puts them on more than chooses by them."""
    if isinstance(value, dict):
        cleaned = {
            key: _without_labels(each) for key, each in value.items() if not key.startswith("app.kubernetes.io/")
        }
        return {key: each for key, each in cleaned.items() if each not in ({}, {"labels": {}})}
    return [_without_labels(each) for each in value] if isinstance(value, list) else value


@pytest.mark.shows("API8")
@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted_and_writes_nowhere(name):
    pod = PODS[name]
    assert pod["securityContext"] | {"fsGroup": 0} == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    # Otherwise Kubernetes adds GUILDER_… names for services, and a process refuses to start with names that are not ours.
    assert pod["enableServiceLinks"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["mountPath"] for each in container["volumeMounts"]} == {"/tmp", "/data"}
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    assert ":" in container["image"]
    assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", ROLES)
def test_a_process_is_probed_where_it_answers_and_has_time_to_stop(name):
    pod, [container] = PODS[name], PODS[name]["containers"]
    settings = next(each["data"] for each in PRODUCTION if each["kind"] == "ConfigMap")
    [port] = container["ports"]
    assert port["containerPort"] == int(settings[SERVED.get(name, "METRICS_PORT")])
    paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: at["path"] for probe, at in paths.items()} == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert {at["port"] for at in paths.values()} == {port["name"]}
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] > GRACE_S + before
    assert name != "api" or before >= 5, "the balancer has to hear of it first"
    zones = {each["topologyKey"] for each in pod["topologySpreadConstraints"]}
    assert zones == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_a_command_that_there_is(name):
    command, *options = PODS[name]["containers"][0]["args"]
    known = whole().commands[command]
    assert set(options) <= {name for parameter in known.params for name in parameter.opts}


def _environment(name: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return what a pod is given in the open, and by which secret's keys the rest."""
    settings = next(each["data"] for each in PRODUCTION if each["kind"] == "ConfigMap")
    container = PODS[name]["containers"][0]
    return settings, {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}


@pytest.mark.shows("ASVS 13.3.1", "ASVS 13.2.3", "PCI 2.2.2")
@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_given_settings_and_each_secret_as_a_secret(name):
    plain, secret = _environment(name)
    known = {each.upper(): field for each, field in Settings.model_fields.items()}
    assert (plain.keys() | secret.keys()) - known.keys() == set()
    hidden = {each for each, field in known.items() if is_secret(field)}
    assert plain.keys() & hidden == set()
    assert {each["name"] for each in secret.values()} == {"guilder"}


@pytest.mark.shows("API8")
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", PODS)
def test_the_settings_of_a_pod_are_fit_for_production(name):
    plain, secret = _environment(name)
    needed = {each: ref["key"] for each, ref in secret.items() if not ref.get("optional")}
    given = plain | {each: EXAMPLES[key] for each, key in needed.items()}
    settings = Settings(_env_file=None, **{each.lower(): value for each, value in given.items()})
    assert settings.is_production
    assert [each for each in findings(settings) if each.weight is not Weight.NOTE] == []


def test_autoscalers_and_budgets_find_their_deployments_and_fight_with_no_number():
    deployments = {each["metadata"]["name"]: each for each in PRODUCTION if each["kind"] == "Deployment"}
    scaled = {
        each["spec"]["scaleTargetRef"]["name"] for each in PRODUCTION if each["kind"] == "HorizontalPodAutoscaler"
    }
    assert scaled == {"api", "worker"}
    assert {name for name, each in deployments.items() if "replicas" in each["spec"]} == deployments.keys() - scaled
    for each in PRODUCTION:
        if each["kind"] == "PodDisruptionBudget":
            labels = deployments[each["metadata"]["name"]]["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.shows("API8")
def test_nobody_hears_or_speaks_but_by_a_policy():
    policies = {each["metadata"]["name"]: each["spec"] for each in PRODUCTION if each["kind"] == "NetworkPolicy"}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    heard = {name for name, each in policies.items() if each.get("ingress")}
    assert heard == {"api", "figures"}
    blocks = [
        to["ipBlock"]
        for each in policies.values()
        for rule in each.get("egress", [])
        for to in rule["to"]
        if "ipBlock" in to
    ]
    everywhere = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
    # A webhook of a customer's may name any address: the cloud's metadata and the cluster are none of them.
    assert [set(block["except"]) >= {"169.254.0.0/16", "10.0.0.0/8"} for block in everywhere] == [True]


def test_the_edge_lets_in_as_much_as_a_route_takes():
    [edge] = [each for each in PRODUCTION if _who(each) == ("Ingress", "guilder")]
    said = edge["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    most = max(rules.body_max for _, _, rules in rules_of(the_application()))
    assert most <= int(said.removesuffix("m")) * 1024 * 1024 < 2 * most


def test_every_account_of_a_pod_is_there():
    there = {each["metadata"]["name"] for each in PRODUCTION if each["kind"] == "ServiceAccount"}
    assert {pod["serviceAccountName"] for pod in PODS.values()} == there


def test_the_example_of_an_external_secret_is_read_and_in_no_overlay():
    [example] = _documents(OVERLAY / "external-secret.example.yaml")
    assert example["spec"]["target"]["name"] == "guilder"
    resources = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())["resources"]
    assert [each for each in resources if "example" in each] == []
