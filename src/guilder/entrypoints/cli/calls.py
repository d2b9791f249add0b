"""`guilder calls` and `guilder jobs`: what was given up outside, what fails again and again inside, and trying again."""

from typing import Annotated
from uuid import UUID

import typer

from guilder.entrypoints.cli.access import ACTOR, Office, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx
from guilder.platform.jobs import scheduler
from guilder.platform.jobs.store import JobFailure
from guilder.platform.outside import intents
from guilder.platform.outside.intents import DeadIntent

LIMIT_MAX = 500
PREFIX = "call"

app = typer.Typer(
    cls=Polite, help="Calls to the outside that were given up, and having them made.", no_args_is_help=True
)
jobs = typer.Typer(cls=Polite, help="What the clock asks, where it fails.", no_args_is_help=True)

KindOption = Annotated[str | None, typer.Option(help="Only those of this kind, such as invoice.document.")]
OnlyTenant = Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant's; by default everybody's.")]
LimitOption = Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="How many at most.")]


@app.command("list")
def listing(kind: KindOption = None, tenant: OnlyTenant = None, limit: LimitOption = 50) -> None:
    """List calls that were given up, the newest first, each with the reason."""
    found = at_work(lambda office: _dead(office, kind, tenant))[:limit]
    table(
        "id",
        "kind",
        "to",
        "tenant",
        "gave up",
        "tries",
        "reason",
        rows=[
            (
                ids.to_text(PREFIX, each.id),
                each.kind,
                each.destination,
                ids.to_text("ten", each.tenant_id),
                f"{each.since:%Y-%m-%d %H:%M}",
                each.attempts,
                each.reason,
            )
            for each in found
        ],
        none="No call was given up.",
    )


@app.command("replay")
def replay(
    names: Annotated[list[str] | None, typer.Argument(help="Their ids, as `list` shows them.", metavar="ID…")] = None,
    kind: KindOption = None,
    tenant: OnlyTenant = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of them.")] = False,
) -> None:
    """Have calls made after all, up to 500 at once, with the keys they had: what happened does not happen twice.

    Examples: guilder calls replay call_06f… · guilder calls replay --kind invoice.document
    """
    if not names and kind is None and not everything:
        raise Trouble("say which: ids, --kind NAME or --all")
    wanted = {_read(name) for name in names or ()}
    count = at_work(lambda office: _replay(office, wanted, kind, tenant))
    out.print(f"{count} to be made again." if count else "There was none of those.")


@jobs.command("failing")
def failing(tenant: OnlyTenant = None, limit: LimitOption = 50) -> None:
    """List due rows that fail when they are done alone, with the reason and when each is tried again."""
    table(
        "job",
        "tenant",
        "row",
        "tries",
        "since",
        "again at",
        "reason",
        rows=[
            (
                each.job,
                ids.to_text("ten", each.tenant_id),
                str(each.row_id),
                each.attempts,
                f"{each.first_failed_at:%Y-%m-%d %H:%M}",
                f"{each.retry_at:%H:%M:%S}",
                each.reason,
            )
            for each in at_work(lambda office: _failing(office, tenant, limit))
        ],
        none="Nothing fails.",
    )


def _read(name: str) -> UUID:
    found = ids.from_text(PREFIX, name)
    if found is None:
        raise Trouble(f"{name!r} is no id of a call; `guilder calls list` shows them")
    return found


async def _dead(office: Office, kind: str | None, tenant: str | None) -> list[DeadIntent]:
    async def read(tx: Tx) -> list[DeadIntent]:
        page = await intents.dead(tx, page=PageQuery(limit=LIMIT_MAX))
        return [each for each in page.items if kind in (None, each.kind)]

    if tenant is not None:
        return await office.of(await office.find(tenant), lambda tx, _now: read(tx))
    async with office.as_doctor() as tx:
        return await read(tx)


async def _replay(office: Office, wanted: set[UUID], kind: str | None, tenant: str | None) -> int:
    found = [each for each in await _dead(office, kind, tenant) if not wanted or each.id in wanted]
    async with office.database.transaction({each.tenant_id for each in found}, actor=ACTOR) as tx:
        return await intents.replay(tx, refs=[Ref(each.tenant_id, each.id) for each in found])


async def _failing(office: Office, tenant: str | None, limit: int) -> list[JobFailure]:
    async def read(tx: Tx) -> list[JobFailure]:
        return list((await scheduler.failures(tx, page=PageQuery(limit=limit))).items)

    if tenant is not None:
        return await office.of(await office.find(tenant), lambda tx, _now: read(tx))
    async with office.as_doctor() as tx:
        return await read(tx)
