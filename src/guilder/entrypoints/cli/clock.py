"""`guilder clock`: what a sandbox's clock says, and moving it."""

import asyncio
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import ClockState, SandboxClock, Tenant
from guilder.domain.identity.rules import clock as rules
from guilder.entrypoints.cli.access import Office, at_work, names, office
from guilder.entrypoints.cli.instants import Stretch, instant, stretch
from guilder.entrypoints.cli.speaking import Polite, Trouble, err, out, progress
from guilder.entrypoints.cli.working import busy_house
from guilder.entrypoints.databases import database_of, reachable
from guilder.platform.config import Settings, read_settings
from guilder.platform.db.tx import Tx
from guilder.platform.jobs.machine import CHANNEL

app = typer.Typer(cls=Polite, help="The clock of a sandbox: read, and moved forward.", no_args_is_help=True)

LOOK_EVERY_S = 0.2
STILL_AFTER_S = 15.0

SandboxOption = Annotated[
    str | None,
    typer.Option("--sandbox", "-s", help="Its short name or id; not needed where there is only one."),
]


@app.command("show")
def show(sandbox: SandboxOption = None) -> None:
    """Show what the clock says."""
    tenant, clock = at_work(lambda office: _read(office, sandbox))
    on_its_way = f", on its way to {_say(clock.target)}" if clock.target else ""
    out.print(f"{tenant.slug}: {_say(clock.now)} ({clock.state.replace('_', ' ')}{on_its_way}) {clock.detail}".rstrip())


@app.command("advance")
def advance(
    to: Annotated[str | None, typer.Option(help="Where to: 2026-03-01 or 2026-03-01T12:00:00Z.")] = None,
    by: Annotated[str | None, typer.Option(help="How far: '1 month', '2 weeks', '1 day 6 hours'.")] = None,
    sandbox: SandboxOption = None,
) -> None:
    """Move the clock forward and wait until it is at rest; all that falls due on the way is done, in order.

    Examples: guilder clock advance --by "1 month" · guilder clock advance --to 2027-01-01 --sandbox default-sandbox-1a2b3c4d
    """
    if (to is None) == (by is None):
        raise Trouble("say where to (--to) or how far (--by)")
    target = instant(to) if to is not None else stretch(by or "")
    read = read_settings()
    runs_elsewhere = reachable(read) is not None
    with database_of(read, progress=progress) as settings:
        arrived = asyncio.run(_advance(settings, sandbox, target, runs_elsewhere=runs_elsewhere))
    out.print(f"It is {_say(arrived.now)}; everything due until then is done.")


async def _advance(
    settings: Settings, sandbox: str | None, target: datetime | Stretch, *, runs_elsewhere: bool
) -> SandboxClock:
    async with office(settings) as opened, busy_house(settings, runs_elsewhere=runs_elsewhere):
        tenant = await _sandbox(opened, sandbox)

        async def send(tx: Tx, now: datetime) -> SandboxClock:
            tx.wake(CHANNEL)
            return await identity.advance(tx, to=_instant(target, now, tenant), now=now)

        return await _arrival(opened, tenant, await opened.of(tenant, send))


def _instant(target: datetime | Stretch, now: datetime, tenant: Tenant) -> datetime:
    if isinstance(target, datetime):
        return target
    return rules.after(now, **target._asdict(), zone=ZoneInfo(tenant.time_zone))


async def _arrival(office: Office, tenant: Tenant, clock: SandboxClock) -> SandboxClock:
    """Show where the clock is until it has arrived.

    :raises Trouble: it was halted on the way
    """
    still_since, target = office.clock.monotonic(), clock.target
    with err.status("") as line:
        while clock.state is ClockState.ADVANCING:
            line.update(f"{_say(clock.now)} → {_say(target)}")
            await asyncio.sleep(LOOK_EVERY_S)
            before, clock = clock, await office.of(tenant, lambda tx, _now: identity.sandbox_clock(tx))
            if clock.now != before.now:
                still_since = office.clock.monotonic()
            elif office.clock.monotonic() - still_since > STILL_AFTER_S:
                still_since = office.clock.monotonic()
                progress(
                    f"it has stood at {_say(clock.now)} for a while; do `guilder up`, or `guilder work` and "
                    "`guilder schedule`, run? See `guilder dead-letters list` too. Ctrl-C leaves it on its way."
                )
    if clock.state is ClockState.FAILED:
        raise Trouble(f"the clock was halted at {_say(clock.now)}: {clock.detail}")
    return clock


async def _read(office: Office, sandbox: str | None) -> tuple[Tenant, SandboxClock]:
    tenant = await _sandbox(office, sandbox)
    return tenant, await office.of(tenant, lambda tx, _now: identity.sandbox_clock(tx))


async def _sandbox(office: Office, name: str | None) -> Tenant:
    """Find the sandbox of this name, or the only one there is."""
    if name is not None:
        return await office.find(name)
    found = [tenant for tenant in await office.every_tenant() if tenant.is_sandbox]
    if not found:
        raise Trouble("there is no sandbox yet; `guilder sandbox create` makes one")
    if len(found) > 1:
        raise Trouble(f"there are {len(found)} sandboxes; say which with --sandbox: {names(found)}")
    return found[0]


def _say(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else ""
