"""`guilder dead-letters`: messages that were given up, and having them handled again."""

from typing import Annotated

import typer

from guilder.entrypoints.cli.access import ACTOR, Office, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.kernel import ids
from guilder.platform.bus import dead_letters
from guilder.platform.bus.dead_letters import LIMIT_DEFAULT, LIMIT_MAX, DeadLetter

app = typer.Typer(
    cls=Polite, help="Messages that failed as often as they may, and wait for a person.", no_args_is_help=True
)

GroupOption = Annotated[str | None, typer.Option(help="Only those that this group of handlers gave up.")]
OnlyTenant = Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant's; by default everybody's.")]


@app.command("list")
def listing(
    group: GroupOption = None,
    tenant: OnlyTenant = None,
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="How many at most.")] = LIMIT_DEFAULT,
) -> None:
    """List dead letters, the newest first, each with the reason."""
    found = at_work(lambda office: _listing(office, group, tenant, limit))
    table(
        "id",
        "group",
        "message",
        "tenant",
        "gave up",
        "tries",
        "reason",
        rows=[
            (d.id, d.group, d.name, ids.to_text("ten", d.tenant_id), f"{d.died_at:%Y-%m-%d %H:%M}", d.tries, d.reason)
            for d in found
        ],
        none="There are no dead letters.",
    )


async def _listing(office: Office, group: str | None, tenant: str | None, limit: int) -> list[DeadLetter]:
    if tenant is not None:
        found = await office.find(tenant)
        return await office.of(found, lambda tx, _now: dead_letters.listing(tx, group=group, limit=limit))
    async with office.as_doctor() as tx:
        return await dead_letters.listing(tx, group=group, limit=limit)


@app.command("replay")
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Their ids, as `list` shows them.", metavar="ID…")] = None,
    group: GroupOption = None,
    tenant: OnlyTenant = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of them.")] = False,
) -> None:
    """Have dead letters handled again, with all their tries. Each is handled once, however often this is asked.

    Examples: guilder dead-letters replay 1041 1042 · guilder dead-letters replay --group notifications
    """
    if not numbers and group is None and not everything:
        raise Trouble("say which: ids, --group NAME or --all")
    count = at_work(lambda office: _replay(office, group, numbers or None, tenant))
    out.print(f"{count} to be handled again." if count else "There was none of those.")


async def _replay(office: Office, group: str | None, numbers: list[int] | None, tenant: str | None) -> int:
    tenants = [await office.find(tenant)] if tenant else await office.every_tenant()
    now = office.clock.now()
    async with office.database.transaction([each.tenant_id for each in tenants], actor=ACTOR) as tx:
        return await dead_letters.replay(tx, group=group, ids=numbers, now=now)
