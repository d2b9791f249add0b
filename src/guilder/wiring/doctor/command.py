"""`guilder doctor`: look, tell, and answer with an exit code that a cron job understands."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.config import Settings
from guilder.wiring.doctor.checks import CHECKS
from guilder.wiring.doctor.report import CannotExamine, Report
from guilder.wiring.doctor.run import examine

HEALTHY, VIOLATIONS, CANNOT_EXAMINE = 0, 1, 2
JOURNAL_TIMEOUT_S = 10

_TITLES = {check.id: check.title for check in CHECKS}


async def doctor(
    settings: Settings,
    *,
    now: datetime,
    console: Console,
    errors: Console,
    tenant_id: TenantId | None = None,
    settled: bool = False,
    as_json: bool = False,
) -> int:
    """Examine the database that the settings name, with the simulated provider's journal where one answers.

    Returns the exit code: 0 healthy, 1 something is wrong, 2 it could not be looked at.
    """
    url = settings.database_doctor_url or settings.database_url
    assert url is not None, "the caller finds the database first"
    journal = None if settings.is_production else await simulated_journal(settings.simulated_url)
    try:
        report = await examine(url.get_secret_value(), now=now, tenant_id=tenant_id, journal=journal, settled=settled)
    except CannotExamine as error:
        if as_json:
            console.print_json(json.dumps({"status": "not_examined", "reason": str(error)}))
        else:
            errors.print(f"[red]guilder:[/red] {escape(str(error))}", soft_wrap=True)
        return CANNOT_EXAMINE
    if as_json:
        console.print_json(json.dumps(to_wire(report)))
    else:
        tell(report, console)
    return HEALTHY if report.is_healthy else VIOLATIONS


async def simulated_journal(base_url: str) -> Mapping[str, Any] | None:
    """Fetch what the simulated provider says it did; None where none answers."""
    try:
        async with httpx.AsyncClient(timeout=JOURNAL_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"{base_url}/sim/journal")
            answer.raise_for_status()
            told = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return told if isinstance(told, dict) and {"charges", "refunds"} <= set(told) else None


def to_wire(report: Report) -> dict[str, Any]:
    return {
        "status": "healthy" if report.is_healthy else "violations",
        "tenants": report.tenants,
        "examined": report.examined,
        "not_examined": report.not_examined,
        "counts": report.counts,
        "violations": [
            asdict(each) | {"tenant_id": ids.to_text("ten", each.tenant_id) if each.tenant_id else None}
            for each in report.violations
        ],
    }


def tell(report: Report, console: Console) -> None:
    """Write the report for a person: what is wrong first, then what was looked at and what was not."""
    if not report.is_healthy:
        console.print(_table(report))
    for check_id, count in report.counts.items():
        shown = sum(each.check == check_id for each in report.violations)
        if count > shown:
            console.print(f"  {check_id}: {count - shown} more of {count} are not shown")
    for check_id, reason in report.not_examined.items():
        console.print(f"  [yellow]{check_id} was not examined[/yellow]: {reason} ({_TITLES[check_id]})")
    looked = f"{len(report.examined)} checks on {report.tenants} tenants"
    if report.is_healthy:
        console.print(f"[green]Healthy[/green]: {looked}, and nothing is wrong.")
    else:
        console.print(f"[red]{sum(report.counts.values())} violations[/red] found by {looked}.")


def _table(report: Report) -> Table:
    table = Table("check", "tenant", "what", "is wrong", title="What is wrong", title_justify="left")
    for each in report.violations:
        tenant = ids.to_text("ten", each.tenant_id) if each.tenant_id else "all"
        # What it says may hold text from anywhere: it is shown, never read as markup.
        table.add_row(each.check, tenant, escape(each.object), f"{escape(each.says)}\n[dim]{_TITLES[each.check]}[/dim]")
    return table
