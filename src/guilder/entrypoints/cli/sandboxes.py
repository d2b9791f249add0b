"""`guilder sandbox`: tenants with a clock of their own."""

from datetime import datetime
from typing import Annotated

import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import SandboxClock, Tenant
from guilder.domain.identity.service import NewSandbox
from guilder.entrypoints.cli.access import DEFAULT, Office, TenantOption, at_work
from guilder.entrypoints.cli.instants import instant
from guilder.entrypoints.cli.speaking import Polite, out, table
from guilder.kernel import ids

app = typer.Typer(
    cls=Polite, help="Sandboxes: tenants to try things in, with a clock that can be moved.", no_args_is_help=True
)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What to call it.")] = "Sandbox",
    starts_at: Annotated[str | None, typer.Option(help="What its clock says first; by default, the present.")] = None,
    tenant: TenantOption = DEFAULT,
) -> None:
    """Make a sandbox of a tenant, and print its API key, once.

    Example: guilder sandbox create --name "New prices" --starts-at 2026-01-31
    """
    starts = instant(starts_at) if starts_at else None
    made = at_work(lambda office: _make(office, tenant, name, starts))
    out.print(f"Sandbox {made.tenant.slug}, {ids.to_text('ten', made.tenant.tenant_id)}.")
    out.print(f"Its API key, shown this once: {made.text}", soft_wrap=True)
    out.print(f"Move its clock: guilder clock advance --sandbox {made.tenant.slug} --by '1 month'", soft_wrap=True)


async def _make(office: Office, tenant: str, name: str, starts_at: datetime | None) -> NewSandbox:
    return await office.of(
        await office.find(tenant),
        lambda tx, now: identity.create_sandbox(tx, name=name, starts_at=starts_at, now=now),
    )


@app.command("list")
def listing() -> None:
    """List the sandboxes of every tenant, and what their clocks say."""
    table(
        "short name",
        "name",
        "clock",
        "state",
        rows=[(t.slug, t.name, f"{c.now:%Y-%m-%d %H:%M:%S} UTC", c.state) for t, c in at_work(_sandboxes)],
        none="There is no sandbox yet: guilder sandbox create.",
    )


async def _sandboxes(office: Office) -> list[tuple[Tenant, SandboxClock]]:
    found = [tenant for tenant in await office.every_tenant() if tenant.is_sandbox]
    return [(tenant, await office.of(tenant, lambda tx, _now: identity.sandbox_clock(tx))) for tenant in found]
