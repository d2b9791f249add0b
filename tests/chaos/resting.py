"""After the storm: time goes on a little, until twice in a row nothing is pending, and the doctor finds nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from guilder.platform.clock import WallClock
from guilder.wiring.doctor.report import CannotExamine, Report
from guilder.wiring.doctor.run import examine
from tests.chaos.evidence import listed
from tests.chaos.town import Sandbox
from tests.support.processes import Installation

PAUSE_S = 1.0
CALM_READS = 2
# What these states wait for is ours to do; what waits for a customer may wait for ever.
OURS = {
    "payments": {"requested", "unknown", "canceling"},
    "refunds": {"pending"},
    "charges": {"received"},
}
# What may be wrong only while something is under way is looked for when all is at rest. These hold in every moment.
ALWAYS = frozenset(
    {"I01", "I02", "I04-own", "I04b-own", "I06-own", "I07", "I08", "I09", "I10", "I10b", "I11", "I12", "I13", "I14"}
    | {"I14b", "I16", "I16b", "I16c", "I17", "I18", "I22", "I27", "I28", "I30"}
)


async def come_to_rest(sandboxes: list[Sandbox], *, patience_s: float, say: Callable[[str], None]) -> list[str]:
    """Move the clocks on by an hour now and then, until nothing is pending twice in a row; return what still is.

    Patience is with what does not change: a busy machine gets on slowly, and gets on. It ends in any case after ten times.
    """
    began = since = time.monotonic()
    calm, before = 0, ["not looked yet"]
    await _move(sandboxes, days=1)
    while True:
        pending = [each for sandbox in sandboxes for each in await pending_in(sandbox)]
        calm = 0 if pending else calm + 1
        if calm == CALM_READS:
            return []
        now = time.monotonic()
        if pending != before:
            before, since = pending, now
            say(f"{len(pending)} pending: {', '.join(pending[:2])}")
        if now - since > patience_s or now - began > 10 * patience_s:
            return pending
        await asyncio.sleep(PAUSE_S)
        # A clock that is on its way is only waited for: sent on each time it arrives, it would never be at rest.
        if any("the clock is advancing" not in each for each in pending):
            await _move(sandboxes, hours=1)


async def pending_in(sandbox: Sandbox) -> list[str]:
    clock = await sandbox.world.get("/api/clock")
    says = f"{sandbox.name}: the clock is {clock['state']} at {clock['now']}"
    found = [] if clock["state"] == "at_rest" else [f"{says} {clock['detail']}".strip()]
    for name, states in OURS.items():
        rows = await listed(sandbox.world.http, f"/api/{name}")
        found += [f"{sandbox.name}: {row['id']} is {row['status']}" for row in rows if row["status"] in states]
    counter = sandbox.counter
    idle = (await counter.http.get(f"/sim/accounts/{counter.account}/idle")).json()
    return found + [f"{sandbox.name}: the provider has {idle[it]} {it}" for it in ("undelivered", "held") if idle[it]]


async def _move(sandboxes: list[Sandbox], **by: int) -> None:
    for sandbox in sandboxes:
        # One that is still on its way is left alone; it is looked at again.
        await sandbox.world.http.post("/api/clock/advance", json={"by": by})


async def healthy(installation: Installation, *, patience_s: float) -> list[str]:
    """Have the doctor look at everything until nothing is found; return what is found when patience ends."""
    ends = time.monotonic() + patience_s
    while True:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            journal = (await http.get(f"{installation.provider_url}/sim/journal")).json()
        report = await _look(installation, journal)
        if report.is_healthy or time.monotonic() > ends:
            return [str(violation) for violation in report.violations]
        await asyncio.sleep(PAUSE_S)


async def sample(installation: Installation) -> list[str] | None:
    """Look in the midst of the storm for what may never be wrong; None if the database could not be asked."""
    try:
        report = await examine(installation.urls.doctor, now=WallClock().now())
    except CannotExamine:
        return None
    return [str(violation) for violation in report.violations if violation.check in ALWAYS]


async def _look(installation: Installation, journal: Any) -> Report:
    return await examine(installation.urls.doctor, now=WallClock().now(), journal=journal, settled=True)
