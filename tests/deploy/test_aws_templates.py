"""AWS's templates are clean and say what they are for, nobody may do anything, and the database's roles are made right."""

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import cfnlint.api
import pytest
from cfnlint.config import ManualArgs
from deploy.aws.prepare import prepare

from tests.support import cloudformation
from tests.support.cloudformation import FOLDER, STACKS

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
TEMPLATES = cloudformation.templates()
TEMPLATE_BYTES_MAX = 51_200  # more has to lie in a bucket first
# Statements whose resource may be "*", with the reason beside each in its template.
ANYTHING = {"SignInToTheRegistry", "Traces", "DescribeTasks"}


@pytest.mark.parametrize("name", STACKS)
def test_a_template_lints_clean_and_fits_into_one_call(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert len(text.encode()) < TEMPLATE_BYTES_MAX
    assert [str(each) for each in cfnlint.api.lint(text, config=ManualArgs(regions=[REGION]))] == []


def test_every_parameter_says_what_it_is_for():
    silent = [
        f"{stack}.{name}"
        for stack, body in TEMPLATES.items()
        for name, each in body["Parameters"].items()
        if not each.get("Description")
    ]
    assert silent == []


def test_the_example_of_settings_names_parameters_that_there_are():
    lines = re.findall(r"^([A-Z]+)_([A-Za-z]+)=", (FOLDER / "production.env.example").read_text(), re.MULTILINE)
    named = {(stack.lower(), name) for stack, name in lines if stack.lower() in TEMPLATES}
    assert {(stack, name) for stack, name in named if name not in TEMPLATES[stack]["Parameters"]} == set()
    needed = {
        (stack, name)
        for stack, body in TEMPLATES.items()
        for name, each in body["Parameters"].items()
        if "Default" not in each
    }
    assert needed - named == set()


def test_the_script_of_deployment_is_one_that_bash_reads():
    assert subprocess.run(["bash", "-n", FOLDER / "deploy.sh"], check=False).returncode == 0


def test_the_image_of_aws_has_the_client_that_is_tested_here():
    wanted = re.search(r'^aws = \["(boto3==[0-9.]+)"\]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"{wanted} \\" in (FOLDER / "requirements.lock").read_text().splitlines()


def _statements(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        if "Effect" in found:
            yield found
        for each in found.values():
            yield from _statements(each)
    elif isinstance(found, list):
        for each in found:
            yield from _statements(each)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.shows("API8")
@pytest.mark.parametrize("stack", STACKS)
def test_a_role_may_do_named_things_to_named_things(stack):
    for kind, resource in ((each["Type"], each["Properties"]) for each in TEMPLATES[stack]["Resources"].values()):
        for said in _statements(resource):
            if said["Effect"] == "Deny":
                continue
            assert [action for action in _listed(said["Action"]) if "*" in action] == [], (kind, said)
            if "*" in _listed(said.get("Resource", [])):
                assert kind == "AWS::KMS::Key" or said.get("Sid") in ANYTHING, (kind, said)


@pytest.mark.shows("ASVS 13.3.1")
def test_the_master_key_opens_for_the_processes_and_for_no_administrator():
    policy = TEMPLATES["data"]["Resources"]["MasterKey"]["Properties"]["KeyPolicy"]
    using = [each for each in _statements(policy) if {"kms:Decrypt", "kms:Encrypt"} & set(_listed(each["Action"]))]
    assert [each["Sid"] for each in using] == ["OnlyTheProcessesUseIt"]
    condition = using[0]["Condition"]
    assert condition["ArnLike"]["aws:PrincipalArn"]["Fn::Sub"].endswith(":role/${Installation}-task-*")
    assert condition["StringEquals"] == {"kms:EncryptionContext:application": "guilder"}
    granting = {"kms:CreateGrant", "kms:ReEncryptFrom", "kms:GenerateDataKey"}
    assert [each for each in _statements(policy) if granting & set(_listed(each["Action"]))] == []


def test_who_deploys_comes_from_one_environment_of_one_repository():
    role = TEMPLATES["cluster"]["Resources"]["Deploy"]["Properties"]
    [said] = role["AssumeRolePolicyDocument"]["Statement"]
    assert said["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:production"},
    }


def test_what_moto_has_no_place_for_is_what_the_page_says():
    kinds = {each["Type"] for body in TEMPLATES.values() for each in body["Resources"].values()}
    assert set(cloudformation.NOT_MADE) <= kinds, "gone: take it off the list"
    page = (ROOT / "docs/operations/aws.md").read_text()
    assert [kind for kind in cloudformation.NOT_MADE if f"`{kind}`" not in page] == []


# ---- the database's roles ----


async def test_an_administrator_who_is_no_superuser_makes_the_database_and_its_logins(cluster, worker_id):
    name = f"aws_{worker_id}_{os.getpid()}"
    words = {who: secrets.token_hex(20) for who in ("owner", "login", "doctor")}
    superuser = await asyncpg.connect(cluster.admin)
    try:
        await superuser.execute(f"create role {name}_boss login createrole createdb password '{words['owner']}'")
        await superuser.execute(f"grant connect on database {cluster.name} to {name}_boss")
        boss = await asyncpg.connect(cluster.admin, user=f"{name}_boss", password=words["owner"], database=cluster.name)
        try:
            assert await prepare(boss, passwords=words, database=name, prefix=f"{name}_") is True
            assert await prepare(boss, passwords=words, database=name, prefix=f"{name}_") is False
            assert await boss.fetchval("select not pg_has_role($1, 'usage')", f"{name}_owner")
        finally:
            await boss.close()
        await _check_logins(cluster.admin, name, words)
    finally:
        await superuser.execute(f"drop database if exists {name} with (force)")
        await superuser.execute(f"revoke all on database {cluster.name} from {name}_boss")
        for role in ("login", "doctor_login", "owner", "app", "doctor", "boss"):
            await superuser.execute(f"drop role if exists {name}_{role}")
        await superuser.close()


async def _check_logins(url: str, name: str, words: dict[str, str]) -> None:
    owner = await asyncpg.connect(url, user=f"{name}_owner", password=words["owner"], database=name)
    login = await asyncpg.connect(url, user=f"{name}_login", password=words["login"], database=name)
    doctor = await asyncpg.connect(url, user=f"{name}_doctor_login", password=words["doctor"], database=name)
    try:
        await owner.execute("create schema something")
        assert await login.fetchval(
            f"select pg_has_role('{name}_app', 'usage') and not pg_has_role('{name}_owner', 'member')"
        )
        assert await doctor.fetchval("show default_transaction_read_only") == "on"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute("create schema anything")
        mighty = await owner.fetchval(
            "select count(*) from pg_roles where rolname ^@ $1 and not rolname ^@ $2"
            " and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)",
            f"{name}_",
            f"{name}_boss",
        )
        assert mighty == 0
    finally:
        for each in (owner, login, doctor):
            await each.close()
