"""The `guilder` command: one small file for each group of commands, loaded when it is called."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from guilder.entrypoints.cli.deferred import Deferred
from guilder.entrypoints.cli.speaking import Polite, out

# Name, place, and the first sentences of its own help, which a test holds to what the command itself says.
_COMMANDS = (
    (
        "up",
        "everything:up",
        "Run everything on this machine: PostgreSQL, API, worker, scheduler and a simulated payment provider.",
    ),
    (
        "serve",
        "answering:serve",
        "Serve the API alone, on HOST and PORT. Needs DATABASE_URL, or a `guilder up` of the same data folder.",
    ),
    (
        "work",
        "running:work",
        "Hear the log and call the outside: payments, documents, messages. Needs DATABASE_URL, as `serve` does.",
    ),
    (
        "schedule",
        "running:schedule",
        "Do what the clock asks: renewals, retries, reminders, sandboxes' time. Needs DATABASE_URL, as `serve` does.",
    ),
    (
        "runs",
        "runs:runs",
        "Show how far what falls due has been done: how much, how fast, how much longer, and what failed.",
    ),
    (
        "relay",
        "relaying:relay",
        "Carry the log to Kafka, and take in what other systems publish there. Needs DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS.",
    ),
    (
        "migrate",
        "migrating:migrate",
        "Bring the database's tables to this version, as the role of DATABASE_OWNER_URL. Twice changes nothing.",
    ),
    (
        "seed",
        "seeding:seed",
        "Fill the default tenant with demo data: plans, customers, and three months of a sandbox's history.",
    ),
    (
        "doctor",
        "doctor:doctor",
        "Check the books, invoices, payments and access against each other, and against the simulated provider's journal.",
    ),
    ("backup", "backups:app", "Take backups; list and verify them; archive the log."),
    (
        "restore",
        "backups:restore",
        "Restore a backup into an empty data folder or database: its log begins a new epoch, and nothing is charged.",
    ),
    (
        "upgrade",
        "backups:upgrade",
        "Bring the tables to this release: after a look at backup, disk and doctor, and with another look behind it.",
    ),
    (
        "listen",
        "listen:listen",
        "Print events as they happen; with --forward-to, post them to you as webhooks are, signed with a printed secret.",
    ),
    ("connect", "connect:app", "Connect a payment provider in five minutes, or check one that is connected."),
    ("tenant", "tenants:app", "The businesses that bill here, and their people."),
    ("staff", "staff:app", "A tenant's own people: who signs in here, and as what."),
    ("keys", "keys:app", "API keys: listed, made, revoked."),
    (
        "master-keys",
        "master_keys:app",
        "Master keys, which all that is sealed is sealed under: listed, added, changed, taken out.",
    ),
    ("sandbox", "sandboxes:app", "Sandboxes: tenants to try things in, with a clock that can be moved."),
    ("clock", "clock:app", "The clock of a sandbox: read, and moved forward."),
    ("dead-letters", "dead_letters:app", "Messages that failed as often as they may, and wait for a person."),
    ("calls", "calls:app", "Calls to the outside that were given up, and having them made."),
    ("jobs", "calls:jobs", "What the clock asks, where it fails."),
    (
        "quarantine",
        "quarantine:app",
        "After a restore: charge nothing before what the providers know has been read again.",
    ),
    ("audit", "audit:app", "The audit: verified, anchored."),
)


class Guilder(Polite):
    """The command itself: every other stands in its list, and is loaded when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, place, told in _COMMANDS:
            self.add_command(Deferred(name, place, told))


app = typer.Typer(
    name="guilder",
    cls=Guilder,
    help="Subscription billing and payments that a company runs itself.\n\n"
    "Start with: guilder up. Every command explains itself with --help.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        out.print(version("guilder"))
        raise typer.Exit


@app.callback()
def guilder(
    tell_version: Annotated[
        bool,
        typer.Option("--version", help="Say which release this is, and exit.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """What every command has in common."""


def whole() -> TyperGroup:
    """Return the command with all that is under it loaded, for whoever looks through it."""
    found = get_command(app)
    assert isinstance(found, Guilder)
    found.commands = {name: each.real if isinstance(each, Deferred) else each for name, each in found.commands.items()}
    return found


__all__ = ["app", "whole"]
