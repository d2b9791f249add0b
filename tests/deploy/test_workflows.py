"""Delivery: what GitHub runs, with which rights; and how an image is rolled out on ECS, against an `aws` that keeps count."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {each.stem: yaml.safe_load(each.read_text()) for each in FILES}
REPOSITORY = "1.dkr.ecr.eu-central-1.example.com:443/guilder"
IMAGE = f"{REPOSITORY}@sha256:{'a' * 64}"
render = runpy.run_path(str(ROOT / "deploy/github/render.py"))["rendered"]


def steps():
    for name, workflow in WORKFLOWS.items():
        for job, said in workflow["jobs"].items():
            for step in said.get("steps", ()):
                yield f"{name}/{job}", step


# ---- the workflows --------------------------------------------------------------------------------------------------


def test_there_is_one_for_each_of_test_nightly_build_and_deploy():
    assert set(WORKFLOWS) == {"test", "nightly", "build", "deploy"}
    # YAML takes `on` for a word of its own.
    assert set(WORKFLOWS["test"][True]) == {"push", "pull_request", "workflow_call"}
    assert set(WORKFLOWS["deploy"][True]) == {"workflow_call", "workflow_dispatch"}


def test_what_github_tests_is_what_a_developer_tests():
    runs = [step["run"] for where, step in steps() if where == "test/test" and "run" in step]
    assert runs == ["sudo scripts/system-packages.sh", "make test"]
    at_night = [step["run"] for where, step in steps() if where == "nightly/test" and "run" in step]
    assert at_night == ["sudo scripts/system-packages.sh", "make test-full"]
    assert WORKFLOWS["build"]["jobs"]["push"]["needs"] == "test"


@pytest.mark.shows("ASVS 15.2.4", "ASVS 13.3.1", "PCI 6.3.3")
def test_what_others_wrote_is_pinned_by_its_content_and_gets_no_more_than_it_needs():
    used = {step["uses"] for _, step in steps() if "uses" in step}
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        for job, said in workflow["jobs"].items():
            may = said.get("permissions", {})
            assert set(may) <= {"contents", "id-token"}, job
            assert may.get("contents", "read") == "read"
            assert "timeout-minutes" in said or "uses" in said, job
    for where, step in steps():
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False, where


@pytest.mark.shows("ASVS 13.3.4", "ASVS 13.3.1", "PCI 8.6.2")
def test_no_key_that_lasts_is_kept_and_only_the_production_environment_may_sign_in():
    text = "".join(each.read_text() for each in FILES)
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    for name, workflow in WORKFLOWS.items():
        for job, said in workflow["jobs"].items():
            signs_in = any("configure-aws-credentials" in step.get("uses", "") for step in said.get("steps", ()))
            assert (said.get("environment") == "production") == signs_in, (name, job)
            if signs_in:
                assert said["permissions"]["id-token"] == "write"


@pytest.mark.shows("ASVS 1.2.5")
def test_nothing_that_others_can_write_is_pasted_into_a_shell():
    for where, step in steps():
        assert "${{" not in step.get("run", ""), where


def test_what_is_pushed_says_what_it_consists_of_and_how_it_was_made():
    pushed = next(step["run"] for where, step in steps() if where == "build/push" and step.get("id") == "push")
    assert "--sbom=true --provenance=mode=max" in pushed
    assert "deploy/aws" in pushed
    assert WORKFLOWS["build"]["jobs"]["deploy"]["with"]["digest"] == "${{ needs.push.outputs.digest }}"
    assert WORKFLOWS["deploy"]["concurrency"]["cancel-in-progress"] is False


# ---- a task definition ----------------------------------------------------------------------------------------------


def a_definition(**over):
    return {
        "family": "guilder-api",
        "taskDefinitionArn": "arn:td/guilder-api:7",
        "revision": 7,
        "status": "ACTIVE",
        "requiresAttributes": [{"name": "x"}],
        "registeredAt": "2026-01-01",
        "cpu": "512",
        "containerDefinitions": [
            {"name": "api", "image": f"{REPOSITORY}:1.0", "command": ["serve"]},
            {"name": "collector", "image": "example.com/aws/collector:0.40"},
        ],
        **over,
    }


def test_only_our_image_is_another_and_what_aws_adds_is_left_out():
    made = render(a_definition(), IMAGE)
    assert made == {
        "family": "guilder-api",
        "cpu": "512",
        "containerDefinitions": [
            {"name": "api", "image": IMAGE, "command": ["serve"]},
            {"name": "collector", "image": "example.com/aws/collector:0.40"},
        ],
    }
    assert render({**made, "revision": 8}, IMAGE) == made


def test_a_definition_without_our_image_is_a_mistake_and_not_left_as_it_is():
    with pytest.raises(ValueError, match="guilder-api has an image of"):
        render(a_definition(containerDefinitions=[{"name": "a", "image": "other/guilder:1"}]), IMAGE)


# ---- rolling out ----------------------------------------------------------------------------------------------------

AWS = '''#!{python}
"""Answers as `aws ecs` does for what roll.sh asks, from a file, and writes down what was asked."""
import json, pathlib, sys
here = pathlib.Path("{here}")
state = json.loads((here / "state.json").read_text())
words = sys.argv[2:]
said = {{words[at]: words[at + 1] for at in range(1, len(words) - 1) if words[at].startswith("--")}}
verb = " ".join(words[:2]) if words[0] == "wait" else words[0]
query = said.get("--query", "")
answer = ""
if " ".join([verb, said.get("--service", said.get("--task-definition", "").split("/")[-1])]) in state["refuses"]:
    sys.exit("refused")
if verb == "describe-task-definition":
    name = said["--task-definition"].split("/")[-1].split(":")[0]
    answer = json.dumps({{"family": name, "revision": 1, "containerDefinitions": [{{"name": "a", "image": "{repository}:old"}}]}})
elif verb == "register-task-definition":
    made = json.loads(pathlib.Path(said["--cli-input-json"].removeprefix("file://")).read_text())
    assert [each["image"] for each in made["containerDefinitions"]] == ["{image}"], made
    answer = "arn:td/" + made["family"] + ":2"
elif verb == "describe-services" and "networkConfiguration" in query:
    answer = json.dumps({{"awsvpcConfiguration": {{"subnets": ["s"]}}}})
elif verb == "describe-services":
    answer = state["services"][said["--services"]]
elif verb == "run-task":
    answer = "arn:task/1"
elif verb == "describe-tasks":
    answer = str(state["exit_code"])
elif verb == "update-service":
    if said["--service"] not in state["stubborn"]:
        state["services"][said["--service"]] = said["--task-definition"]
    answer = said["--service"]
elif verb.startswith("wait") and state[verb]:
    state[verb] -= 1
    (here / "state.json").write_text(json.dumps(state))
    sys.exit(255)
(here / "state.json").write_text(json.dumps(state))
with (here / "asked").open("a") as asked:
    told = said.get("--service") or said.get("--task-definition", "").split("/")[-1]
    asked.write(" ".join([verb, told, said.get("--task-definition", "")[-2:] if verb == "update-service" else ""]).strip() + "\\n")
print(answer)
'''


def roll(tmp_path: Path, image: str = IMAGE, **state):
    services = ["api", "worker"]
    kept = {
        "services": {each: f"arn:td/guilder-{each}:1" for each in services},
        "exit_code": 0,
        "wait services-stable": 0,
        "wait tasks-stopped": 0,
        "refuses": [],
        "stubborn": [],
    }
    (tmp_path / "state.json").write_text(json.dumps(kept | state))
    program = tmp_path / "aws"
    program.write_text(AWS.format(python=sys.executable, here=tmp_path, image=image, repository=REPOSITORY))
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "deploy/github/roll.sh", image],
        env={"PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin", "SERVICES": " ".join(services)},
        capture_output=True,
        text=True,
    )
    asked = (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []
    now = json.loads((tmp_path / "state.json").read_text())["services"]
    return done, asked, {name: each.rpartition(":")[2] for name, each in now.items()}


def test_tables_first_and_then_every_service_and_it_is_waited_for(tmp_path):
    done, asked, now = roll(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert now == {"api": "2", "worker": "2"}
    order = [each for each in asked if each.startswith(("run-task", "wait", "update"))]
    assert order == [
        "run-task guilder-migrate:2",
        "wait tasks-stopped",
        "update-service api :2",
        "update-service worker :2",
        "wait services-stable",
    ]


def test_a_migration_that_fails_leaves_everything_as_it_is(tmp_path):
    done, asked, now = roll(tmp_path, exit_code=1)
    assert done.returncode == 1
    assert "nothing was rolled" in done.stdout
    assert now == {"api": "1", "worker": "1"}
    assert not [each for each in asked if each.startswith("update")]


@pytest.mark.parametrize(
    "how",
    [{"wait services-stable": 2}, {"stubborn": ["worker"]}, {"refuses": ["update-service worker"]}],
    ids=["does not become stable", "ECS went back by itself", "the second was not even taken"],
)
def test_what_does_not_become_stable_goes_back_everywhere(tmp_path, how):
    done, _, now = roll(tmp_path, **how)
    assert done.returncode == 1
    assert "going back" in done.stdout
    assert now == {"api": "1", "worker": "1"}


def test_ten_minutes_more_are_given_to_what_is_slow(tmp_path):
    done, _, now = roll(tmp_path, **{"wait services-stable": 1, "wait tasks-stopped": 5})
    assert done.returncode == 0, done.stdout
    assert now == {"api": "2", "worker": "2"}


def test_a_migration_that_goes_on_for_an_hour_is_left_alone_and_so_is_everything_else(tmp_path):
    done, asked, _ = roll(tmp_path, **{"wait tasks-stopped": 6})
    assert done.returncode == 1
    assert "goes on after an hour; nothing was rolled" in done.stdout
    assert not [each for each in asked if each.startswith("update")]


@pytest.mark.parametrize("name", ["guilder-migrate", "guilder-worker:1"])
def test_where_a_definition_cannot_be_read_nothing_was_touched(tmp_path, name):
    done, asked, now = roll(tmp_path, refuses=[f"describe-task-definition {name}"])
    assert done.returncode != 0
    assert not [each for each in asked if each.startswith("update")]
    assert now == {"api": "1", "worker": "1"}
    assert [each for each in asked if each.startswith("run-task")] == (
        ["run-task guilder-migrate:2"] if ":1" in name else []
    )


def test_the_doctor_of_the_clock_is_the_new_one_once_all_is_well_and_not_before(tmp_path):
    _, asked, _ = roll(tmp_path)
    assert asked[-2:] == ["describe-task-definition guilder-doctor", "register-task-definition"]
    (tmp_path / "again").mkdir()
    _, asked, _ = roll(tmp_path / "again", stubborn=["worker"])
    assert "describe-task-definition guilder-doctor" not in asked


# ---- by hand: deploy/aws/deploy.sh ----------------------------------------------------------------------------------

BY_HAND = """#!/bin/sh
echo "$@" >>{here}/asked
case "$1 $2" in
"ecs list-task-definition-families") echo {families} ;;
"ecs describe-task-definition") echo registry/guilder@sha256:running ;;
"cloudformation list-exports") {exports} ;;
"kafka get-bootstrap-brokers") echo broker:9096 ;;
esac
"""


def by_hand(tmp_path: Path, *, families: str = "guilder-doctor", exports: str = "echo arn:kafka", **environment: str):
    (tmp_path / "aws").write_text(BY_HAND.format(here=tmp_path, families=families, exports=exports))
    (tmp_path / "aws").chmod(0o755)
    (tmp_path / "settings").write_text(
        "AWS_REGION=eu-central-1\nSERVICES_Image=registry/guilder:first\nDATA_WithKafka=yes\n"
    )
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SETTINGS": str(tmp_path / "settings"), **environment}
    done = subprocess.run(
        ["bash", ROOT / "deploy/aws/deploy.sh", "services"], env=given, capture_output=True, text=True
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    return done, [each for each in asked if each.startswith("cloudformation deploy")]


@pytest.mark.parametrize(
    ("how", "image"),
    [
        ({}, "registry/guilder@sha256:running"),
        ({"families": "None"}, "registry/guilder:first"),
        ({"IMAGE": "registry/guilder:other"}, "registry/guilder:other"),
    ],
)
def test_a_stack_that_is_deployed_by_hand_is_told_the_image_that_runs(tmp_path, how, image):
    done, [deployed] = by_hand(tmp_path, **how)
    assert done.returncode == 0, done.stderr
    assert f" Image={image} " in deployed
    assert " KafkaBootstrapServers=broker:9096 " in deployed
    assert "WithKafka" not in deployed, "that is another stack's"


def test_where_the_brokers_cannot_be_asked_no_stack_is_left_without_them(tmp_path):
    done, deployed = by_hand(tmp_path, exports="exit 254")
    assert done.returncode == 254
    assert deployed == []


def test_a_tag_is_not_rolled_out(tmp_path):
    done, asked, _ = roll(tmp_path, image=f"{REPOSITORY}:latest")
    assert done.returncode == 2
    assert asked == []
