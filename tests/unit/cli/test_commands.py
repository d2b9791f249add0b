"""The command as people type it, on a real database: what it prints, and one sentence where it cannot."""

import asyncio
import json
import re

import pytest
from typer.testing import CliRunner

from guilder.entrypoints.cli import app
from guilder.entrypoints.cli.speaking import sentence
from guilder.entrypoints.listening import PortTaken
from guilder.entrypoints.provider import ProviderCannotStart
from guilder.platform.db.database import DatabaseGone
from guilder.platform.db.embedded import EmbeddedError
from tests.support.database import connected

KEY = re.compile(r"gk_(test|live|sandbox)_[0-9A-Za-z]+")


class Cli:
    """Types commands."""

    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *words: str) -> str:
        """Run a command that is expected to do what it is asked, and return what it printed."""
        done = self._runner.invoke(app, list(words))
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.stdout

    def refused(self, *words: str) -> str:
        """Run a command that is expected to refuse: exit code 1, nothing on stdout, one sentence on stderr."""
        done = self._runner.invoke(app, list(words))
        assert done.exit_code == 1, (words, done.output, done.exception)
        assert done.stdout == ""
        assert done.stderr.startswith("guilder: ")
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def cli(database_urls, clean, tmp_path, monkeypatch):
    # `.env` is read from the folder that one is in.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUILDER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_urls.app)
    monkeypatch.setenv("DATABASE_OWNER_URL", database_urls.owner)
    monkeypatch.setenv("DATABASE_DOCTOR_URL", database_urls.doctor)
    return Cli()


def test_a_tenant_is_founded_listed_suspended_and_resumed(cli):
    assert "no tenant yet" in cli("tenant", "list")
    assert KEY.search(cli("tenant", "create", "acme", "--name", "Acme B.V.", "--time-zone", "Europe/Amsterdam"))
    assert KEY.search(cli("tenant", "create", "zenith", "--live")).group(1) == "live"
    assert re.search(r"acme +test +active +Acme B\.V\. +ten_[0-9a-z]{26}", cli("tenant", "list"))

    cli("tenant", "suspend", "acme", "--reason", "contract ended")
    assert re.search(r"acme +test +suspended", cli("tenant", "list"))
    cli("tenant", "resume", "acme")
    assert re.search(r"acme +test +active", cli("tenant", "list"))


def test_somebody_is_invited_once(cli):
    cli("tenant", "create", "acme")
    assert "billing" in cli("tenant", "invite", "ana@acme.example", "--role", "billing", "-t", "acme")
    assert "already" in cli.refused("tenant", "invite", "ana@acme.example", "-t", "acme")


def test_keys_are_made_listed_without_their_text_and_revoked(cli):
    cli("tenant", "create", "acme")
    key = cli("keys", "create", "-t", "acme", "--name", "reports", "--scope", "invoices:read", "--days", "90").strip()
    assert KEY.fullmatch(key)
    listed = cli("keys", "list", "-t", "acme")
    assert key not in listed
    key_id = re.search(r"(key_[0-9a-z]+) +reports .*invoices:read .*until", listed).group(1)
    cli("keys", "revoke", key_id, "-t", "acme")
    assert re.search(r"reports .*revoked", cli("keys", "list", "-t", "acme"))


def test_a_sandbox_is_made_and_its_clock_is_read(cli):
    cli("tenant", "create", "acme")
    assert "sandbox create" in cli.refused("clock", "show")
    made = cli("sandbox", "create", "-t", "acme", "--starts-at", "2026-01-31")
    name = re.search(r"acme-sandbox-[0-9a-f]{8}", made).group()
    assert re.search(rf"{name} .*2026-01-31 00:00:00 UTC +at_rest", cli("sandbox", "list"))
    assert cli("clock", "show") == f"{name}: 2026-01-31 00:00:00 UTC (at rest)\n"
    cli("sandbox", "create", "-t", "acme")
    assert name in cli.refused("clock", "show"), "which of the two?"
    assert "wall clock" in cli.refused("clock", "show", "--sandbox", "acme")


def test_migrating_again_changes_nothing(cli):
    assert "Nothing to do" in cli("migrate")


def test_dead_letters_are_asked_for_by_name(cli):
    assert cli("dead-letters", "list") == "There are no dead letters.\n"
    assert "--all" in cli.refused("dead-letters", "replay")
    assert "none" in cli("dead-letters", "replay", "--all")


async def _given_up(admin_url, tenant):
    async with connected(admin_url) as admin:
        await admin.execute(
            """insert into platform.intents (tenant_id, id, kind, destination, subject_id, state, reason, created_at)
               select tenant_id, gen_random_uuid(), 'invoice.document', 'files', gen_random_uuid(), 'dead', 'no space',
                      now() from identity.tenants where slug = $1""",
            tenant,
        )
        await admin.execute(
            """insert into platform.job_failures (tenant_id, job, row_id, reason, retry_at)
               select tenant_id, 'invoicing.bill_due', gen_random_uuid(), 'KeyError: x', now()
                 from identity.tenants where slug = $1""",
            tenant,
        )


def test_calls_that_were_given_up_are_listed_and_made_after_all(cli, database_urls):
    assert cli("calls", "list") == "No call was given up.\n"
    assert cli("jobs", "failing") == "Nothing fails.\n"
    assert "--all" in cli.refused("calls", "replay")
    assert "guilder calls list" in cli.refused("calls", "replay", "nonsense")
    cli("tenant", "create", "acme")
    asyncio.run(_given_up(database_urls.admin, "acme"))
    assert "no space" in cli("calls", "list", "--kind", "invoice.document", "--tenant", "acme")
    assert "KeyError" in cli("jobs", "failing")
    assert "none" in cli("calls", "replay", "--kind", "gateway.charge")
    [call] = re.findall(r"call_\w+", cli("calls", "list"))
    assert "1 to be made again" in cli("calls", "replay", call)
    assert cli("calls", "list") == "No call was given up.\n"


def test_the_doctor_finds_an_empty_house_healthy(cli):
    assert json.loads(cli("doctor", "--json"))["status"] == "healthy"
    assert "Healthy" in cli("doctor")


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("tenant", "create", "Not A Slug"), "a-z, 0-9 and -"),
        (("tenant", "create", "acme", "--time-zone", "Mars/Olympus"), "time zone"),
        (("keys", "list"), "guilder tenant list"),
        (("keys", "revoke", "nonsense"), "guilder keys list"),
        (("sandbox", "create", "--starts-at", "soon"), "2026-03-01"),
        (("clock", "advance"), "--to"),
        (("clock", "advance", "--by", "a while"), "1 month"),
        (("tenant", "invite", "nobody"), "e-mail"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_answered_with_the_way_out(cli, words, way_out):
    assert way_out in cli.refused(*words)


def test_a_setting_that_is_wrong_is_named(cli, monkeypatch):
    monkeypatch.setenv("PORT", "many")
    assert "PORT" in cli.refused("tenant", "list")


def test_a_database_that_is_not_there_is_told(cli, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/guilder")
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://nobody:secret@127.0.0.1:1/guilder")
    for words in (("tenant", "list"), ("migrate",), ("work",)):
        said = cli.refused(*words)
        assert "cannot be reached" in said
        assert "secret" not in said


def test_a_database_without_tables_is_told(cli, cluster, monkeypatch):
    # The cluster's own database is never migrated.
    monkeypatch.setenv("DATABASE_URL", cluster.app)
    for words in (("tenant", "list"), ("work",), ("schedule",)):
        assert "guilder migrate" in cli.refused(*words)


@pytest.mark.parametrize("role", ["serve", "work", "schedule"])
def test_a_role_without_a_database_says_what_it_needs(cli, monkeypatch, role):
    monkeypatch.delenv("DATABASE_URL")
    assert "DATABASE_URL" in cli.refused(role)


def test_production_takes_no_demo_data(cli, monkeypatch):
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("GUILDER_MASTER_KEY", "k" * 43 + "=")
    assert "no demo data" in cli.refused("seed")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("up",),
        ("serve",),
        ("work",),
        ("schedule",),
        ("migrate",),
        ("seed",),
        ("doctor",),
        ("tenant", "create"),
        ("tenant", "suspend"),
        ("keys", "create"),
        ("sandbox", "create"),
        ("clock", "advance"),
        ("dead-letters", "replay"),
        ("calls", "replay"),
        ("jobs", "failing"),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(words):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


@pytest.mark.parametrize("error", [PortTaken("Port 4000 is taken"), EmbeddedError("no"), ProviderCannotStart("no")])
def test_what_was_foreseen_is_told_even_when_roles_fell_together(error):
    group = ExceptionGroup("roles", [ValueError("ours"), ExceptionGroup("worker", [error])])
    assert sentence(group) == str(error)


def test_a_file_that_cannot_be_used_is_not_taken_for_the_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "taken").touch()
    monkeypatch.setenv("GUILDER_DATA", str(tmp_path / "taken"))
    said = Cli().refused("up")
    assert "GUILDER_DATA" in said
    assert "taken cannot be a folder here: File exists" in said
    with pytest.raises(OSError, match="taken") as error:
        (tmp_path / "taken" / "x").touch()
    assert sentence(error.value) == f"{tmp_path / 'taken' / 'x'} cannot be used: Not a directory"
    assert sentence(ConnectionRefusedError(111, "refused")) == "PostgreSQL cannot be reached: [Errno 111] refused"


def test_our_own_mistake_is_not_hidden():
    assert sentence(ValueError("ours")) is None
    assert sentence(DatabaseGone("PostgreSQL cannot be reached")) == "PostgreSQL cannot be reached"


@pytest.mark.shows("ASVS 13.3.4")
def test_the_master_key_is_changed_and_the_old_one_taken_out(cli, tmp_path):
    cli("tenant", "create", "acme")
    cli("tenant", "invite", "ana@acme.example", "-t", "acme")
    [first] = re.findall(r"(\S+) +seals new data", cli("master-keys", "list"))
    assert "seals new data" in cli.refused("master-keys", "retire", first)

    said = cli("master-keys", "rotate", "--wait", "0")
    [second] = re.findall(r"sealed anew by (\w+)", said)
    assert re.search(
        rf"{second} +seals new data +1 +0 *\n.*{first} +opens only +0 +0", cli("master-keys", "list"), re.DOTALL
    )
    assert "0 sealed anew" in cli("master-keys", "rewrap")
    cli("master-keys", "retire", first)
    assert first not in (tmp_path / "data" / "master.key").read_text()
    assert "already" in cli.refused("tenant", "invite", "ANA@acme.example", "-t", "acme")
    assert "0 texts sealed" in cli("master-keys", "seal")


def test_keys_in_the_environment_are_printed_to_be_set_by_whoever_runs_it(cli, monkeypatch):
    monkeypatch.setenv("GUILDER_MASTER_KEY", "a:" + "A" * 43 + "=")
    assert re.search(r"GUILDER_MASTER_KEY=a:A{43}=,k\w+:\S{44}", cli("master-keys", "add"))
    assert "GUILDER_MASTER_KEY" in cli.refused("master-keys", "rotate", "--wait", "0")
