"""`guilder doctor` answers with an exit code, a table for a person, or JSON for a machine."""

import io
import json

import pytest
from pydantic import SecretStr
from rich.console import Console

from guilder.platform.config import Settings
from guilder.wiring.doctor.command import CANNOT_EXAMINE, HEALTHY, VIOLATIONS, doctor, tell, to_wire
from guilder.wiring.doctor.report import Report, Violation

NOBODY_LISTENS = 1


@pytest.fixture
def out():
    return Console(file=io.StringIO(), width=200)


def settings(url):
    return Settings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/nothing"), database_doctor_url=SecretStr(url)
    ).model_copy(update={"provider_port": NOBODY_LISTENS})


async def run(url, out, world, **over):
    return await doctor(settings(url), now=world.now, console=out, errors=out, **over)


async def test_a_healthy_house_is_code_0_and_says_what_was_not_examined(world, out):
    assert await run(world.urls.doctor, out, world) == HEALTHY
    said = out.file.getvalue()
    assert "Healthy" in said
    assert "I05 was not examined" in said


async def test_json_is_whole(world, out):
    assert await run(world.urls.doctor, out, world, as_json=True) == HEALTHY
    told = json.loads(out.file.getvalue())
    assert (told["status"], told["violations"], told["counts"]) == ("healthy", [], {})
    assert "I01" in told["examined"]
    assert "I05" in told["not_examined"]


@pytest.mark.parametrize("as_json", [False, True])
async def test_what_cannot_be_looked_at_is_code_2(world, out, as_json):
    assert await run("postgresql://nobody@127.0.0.1:1/nothing", out, world, as_json=as_json) == CANNOT_EXAMINE
    assert "PostgreSQL cannot be reached" in out.file.getvalue()


async def test_what_is_wrong_is_code_1(world, out, monkeypatch):
    async def ill(*_, **__):
        return _report(world)

    monkeypatch.setattr("guilder.wiring.doctor.command.examine", ill)
    assert await run(world.urls.doctor, out, world) == VIOLATIONS


def test_a_person_reads_what_is_wrong_as_it_is_written(world, out):
    tell(_report(world), out)
    said = out.file.getvalue()
    assert "inv_1" in said
    assert "[red]not markup[/red]" in said
    assert "6 more of 7 are not shown" in said
    assert "7 violations" in said


def test_a_machine_reads_ids_as_the_api_writes_them(world):
    told = to_wire(_report(world))
    assert told["status"] == "violations"
    assert told["violations"][0]["tenant_id"].startswith("ten_")


def _report(world):
    wrong = Violation("I11", world.tenant_id, "inv_1", "its total is [red]not markup[/red]")
    return Report(violations=[wrong], examined=["I11"], counts={"I11": 7}, tenants=1)
