"""`guilder audit`: whether what was written down is still what was written down."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from guilder.domain.audit import jobs
from guilder.domain.audit import service as audit
from guilder.domain.identity.model import Tenant
from guilder.entrypoints.cli.access import Office, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, progress
from guilder.entrypoints.rewrapping import database_ring
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx
from guilder.wiring.ports import open_ports

app = typer.Typer(cls=Polite, help="The audit: verified, anchored.", no_args_is_help=True)

TOLD_EVERY = 50_000
SHOWN_MAX = 20

Findings = dict[TenantId, audit.Found]


@app.callback()
def _group() -> None:
    """Keep `verify` a command of a group, though there were one alone."""


@app.command("verify")
def verify(
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant: short name or id.")] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="An anchor kept elsewhere, beside those of the file store; again for more."),
    ] = None,
) -> None:
    """Walk along every chain of the audit, and name each record that is not what was written.

    Compares with the anchors of the file store, and with those given. Exit code 0: sound; 1: somebody changed something.
    """
    findings = at_work(lambda office: _verify(office, tenant, anchor or []))
    total = audit.Found()
    for found in findings.values():
        total.merge(found)
    for fault in total.faults[:SHOWN_MAX]:
        out.print(f"[red]{fault}[/red]", soft_wrap=True)
    if total.count > SHOWN_MAX:
        out.print(f"and {total.count - SHOWN_MAX} more")
    looked = (
        f"{total.records} records in {total.chains} chains of {len(findings)} tenants, {total.anchors} anchored places"
    )
    if total.count:
        out.print(f"[red]{total.count} faults[/red] found in {looked}.")
        raise typer.Exit(1)
    out.print(f"[green]Sound[/green]: {looked}, and every record is what was written.")


async def _verify(office: Office, name: str | None, given: list[Path]) -> Findings:
    only: Tenant | None = await office.find(name) if name is not None else None
    anchors = await _anchors(office, given)
    findings: Findings = {}
    looked = 0

    def told(count: int) -> None:
        nonlocal looked
        looked += count
        if looked // TOLD_EVERY != (looked - count) // TOLD_EVERY:
            progress(f"{looked} records")

    async with office.as_doctor() as tx:
        for chain in await audit.chains_of(tx, tenant_id=only.tenant_id if only else None, anchored=anchors):
            found = await audit.verify_chain(tx, chain=chain, anchors=anchors.get(chain), progress=told)
            findings.setdefault(chain.tenant_id, audit.Found()).merge(found)
    for tenant in [only] if only else await office.every_tenant():
        if tenant.tenant_id in findings:
            await _keep(office, tenant, findings[tenant.tenant_id])
    return findings


async def _keep(office: Office, tenant: Tenant, found: audit.Found) -> None:
    async def do(tx: Tx, now: datetime) -> None:
        await audit.record_verification(tx, found=found, by=tx.actor, now=now)

    await office.of(tenant, do)


async def _anchors(office: Office, given: list[Path]) -> audit.Anchors:
    try:
        anchors = await jobs.anchors(open_ports(office.settings, database_ring(office.database)).files)
        for path in given:
            audit.read_anchor(path.read_bytes(), anchors)
    except (ValueError, OSError) as error:
        raise Trouble(f"an anchor cannot be read: {error}") from error
    return anchors


@app.command("anchor")
def anchor() -> None:
    """Write where the chains end now to standard output: keep it where nobody who runs the database can change it."""
    made = at_work(_anchor)
    out.print(made.decode(), end="", soft_wrap=True, markup=False)


async def _anchor(office: Office) -> bytes:
    async with office.database.transaction(actor="cli") as tx:
        return await audit.write_anchor(tx, now=office.clock.now())
