"""`guilder doctor`: whether everything that must hold does hold."""

import asyncio
from typing import Annotated

import typer

from guilder.entrypoints.checking import Finding, Weight, findings
from guilder.entrypoints.cli.access import office
from guilder.entrypoints.cli.speaking import err, out, progress
from guilder.entrypoints.databases import database_of
from guilder.entrypoints.relaying import trouble_with_brokers
from guilder.entrypoints.storing import trouble_with_files
from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.platform.config import Settings, read_settings
from guilder.wiring.doctor.command import doctor as examine
from guilder.wiring.ports import files_of


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant: short name or id.")] = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="Allow nothing to be under way: everything must hold now.")
    ] = False,
    config: Annotated[
        bool, typer.Option("--config", help="Check the settings instead: what is unsafe in production.")
    ] = False,
) -> None:
    """Check the books, invoices, payments and access against each other, and against the simulated provider's journal.

    It only reads. Exit code 0: healthy; 1: something is wrong, and listed; 2: it could not be examined.
    """
    if config:
        raise typer.Exit(asyncio.run(_of_settings(read_settings())))
    with database_of(read_settings(), progress=progress) as settings:
        code = asyncio.run(_examine(settings, tenant, settled=settled, as_json=as_json))
    raise typer.Exit(code)


async def _of_settings(settings: Settings) -> int:
    """Say what is unsafe of settings: 0 is nothing, 1 is something. Nothing is asked but a bucket for documents, and brokers."""
    found = findings(settings)
    if settings.files_url is not None and (said := await trouble_with_files(files_of(settings))) is not None:
        found.append(Finding(Weight.UNSAFE, "FILES_URL", f"cannot be used: {said}"))
    if (away := await trouble_with_brokers(settings)) is not None:
        found.append(
            Finding(Weight.UNSAFE, "KAFKA_BOOTSTRAP_SERVERS", f"names brokers of which none answers here: {away}")
        )
    for each in found:
        out.print(f"{each.weight:>6}  {each.setting} {each.what}.", soft_wrap=True, markup=False)
    unsafe = [each for each in found if each.weight is not Weight.NOTE]
    if not unsafe:
        out.print("Nothing in the settings is unsafe in production.")
    return 1 if unsafe else 0


async def _examine(settings: Settings, tenant: str | None, *, settled: bool, as_json: bool) -> int:
    return await examine(
        settings,
        now=WallClock().now(),
        console=out,
        errors=err,
        tenant_id=await _tenant_id(settings, tenant) if tenant is not None else None,
        settled=settled,
        as_json=as_json,
    )


async def _tenant_id(settings: Settings, name: str) -> TenantId:
    async with office(settings) as opened:
        return (await opened.find(name)).tenant_id
