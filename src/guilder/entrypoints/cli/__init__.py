"""The `guilder` command: one small file for each group of commands."""

import typer

from guilder.entrypoints.cli import (
    audit,
    backups,
    calls,
    clock,
    connect,
    dead_letters,
    doctor,
    ground,
    keys,
    listen,
    master_keys,
    quarantine,
    relaying,
    running,
    sandboxes,
    staff,
    tenants,
)
from guilder.entrypoints.cli.speaking import Polite

app = typer.Typer(
    name="guilder",
    cls=Polite,
    help="Subscription billing and payments that a company runs itself.\n\n"
    "Start with: guilder up. Every command explains itself with --help.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
running.add_to(app)
relaying.add_to(app)
ground.add_to(app)
doctor.add_to(app)
backups.add_to(app)
listen.add_to(app)
app.add_typer(connect.app, name="connect")
app.add_typer(tenants.app, name="tenant")
app.add_typer(staff.app, name="staff")
app.add_typer(keys.app, name="keys")
app.add_typer(master_keys.app, name="master-keys")
app.add_typer(sandboxes.app, name="sandbox")
app.add_typer(clock.app, name="clock")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(calls.app, name="calls")
app.add_typer(calls.jobs, name="jobs")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(audit.app, name="audit")

__all__ = ["app"]
