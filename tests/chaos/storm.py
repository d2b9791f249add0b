"""One run from end to end: put up the installation, furnish it, storm, heal, come to rest, look, judge."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from guilder.platform.db.embedded import tool
from simulated_provider.cards import CARDS
from tests.chaos import nemesis, plan, report, resting, verdict
from tests.chaos.asking import OpLog
from tests.chaos.driver import Driver
from tests.chaos.evidence import Evidence, books_of, logs_in
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import Schedule
from tests.chaos.stages import Stage, a_stage
from tests.chaos.town import Sandbox, furnish
from tests.chaos.verdict import Finding
from tests.support.database import DatabaseUrls
from tests.support.world import World, a_world
from tests.support.worst_day import Counter, counter_of

STARTS_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SANDBOXES, CUSTOMERS, CLIENTS = 3, 7, 15
SAMPLE_EVERY_S = 20.0
REST_S = 60.0  # without anything that changes
DUMP_S = 120

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What kind of storm is wanted: drawn from a seed, or one that was written down."""

    form: str = "embedded"
    seed: int = 1
    seconds: float = 180.0
    clients: int = CLIENTS
    replay: Schedule | None = None

    def schedule(self, parts: list[str]) -> Schedule:
        if self.replay is not None:
            return self.replay
        return plan.drawn(
            seed=self.seed,
            form=self.form,
            parts=parts,
            accounts=SANDBOXES,
            seconds=self.seconds,
            clients=self.clients,
        )


@dataclass(slots=True)
class Outcome:
    folder: Path
    evidence: Evidence
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.findings


async def weather(wish: Wish, folder: Path, *, say: Say, cluster: DatabaseUrls | None = None) -> Outcome:
    """Let it storm, and keep everything in `folder`. For the main thread: servers die with the thread that starts them."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    async with a_stage(wish.form, logs, cluster) as stage, AsyncExitStack() as stack:
        say(f"{wish.form}: {' '.join(stage.names)}")
        schedule = wish.schedule(stage.names)
        schedule.write(folder / "schedule.json")
        places = [await _place(stack, stage) for _ in range(SANDBOXES)]
        sandboxes = await asyncio.gather(
            *(furnish(*place, number=number, customers=CUSTOMERS) for number, place in enumerate(places, 1))
        )
        say(f"{len(sandboxes)} sandboxes with {CUSTOMERS} customers each; {schedule.clients} clients begin")
        seen = await _storm(stage, sandboxes, schedule, folder, say=say)
        rested = time.monotonic()
        seen.unrest = await resting.come_to_rest(sandboxes, patience_s=REST_S, say=say)
        seen.doctor = await resting.healthy(stage.installation, patience_s=REST_S)
        say(f"at rest after {time.monotonic() - rested:.0f} s; looking at what is left")
        seen.books = [await books_of(sandbox, seen.calls) for sandbox in sandboxes]
        seen.secrets = await _secrets(sandboxes)
        await asyncio.to_thread(_dump, stage, folder)
        _keep_journals(seen, folder)
    seen.logs = logs_in(logs)
    outcome = Outcome(folder, seen, [*verdict.findings(seen), *verdict.too_calm(seen)])
    report.write(seen, outcome.findings, folder)
    return outcome


async def _place(stack: AsyncExitStack, stage: Stage) -> tuple[World, Counter]:
    world = await stack.enter_async_context(a_world(stage.installation, starts_at=STARTS_AT))
    return world, await stack.enter_async_context(counter_of(world))


async def _storm(stage: Stage, sandboxes: list[Sandbox], schedule: Schedule, folder: Path, *, say: Say) -> Evidence:
    log = OpLog(folder / "ops.jsonl")

    def told(text: str) -> None:
        say(f"{time.monotonic() - log.began:6.1f} s  {len(log.calls):5} calls  {text}")

    driver = Driver(stage.installation.base_url, sandboxes, log, schedule.clients, schedule.seed)
    breaking = Nemesis(stage, [each.counter for each in sandboxes], told, began=log.began)
    seen = Evidence(schedule, [], log.calls, breaking.blows)
    aside = [asyncio.create_task(each) for each in (_sample(stage, seen), breaking.supervise())]
    driver.start()
    try:
        await breaking.follow(schedule)
        told("the storm is over; everything is made good")
        driver.stop()
        await breaking.heal()
        while not driver.is_done():
            await asyncio.sleep(0.1)
    finally:
        for task in aside:
            task.cancel()
        ended = await asyncio.gather(*aside, return_exceptions=True)
        driver.stop()
        nemesis.write(breaking.blows, folder / "faults.json")
    driver.join()
    log.close()
    for each in ended:
        if not isinstance(each, asyncio.CancelledError):
            raise AssertionError("who looks after the parts has stopped") from each
    seen.advances = driver.advances
    told("the clients are done")
    return seen


async def _sample(stage: Stage, seen: Evidence) -> None:
    while True:
        await asyncio.sleep(SAMPLE_EVERY_S)
        found = await resting.sample(stage.installation)
        if found is not None:
            seen.samples += 1
            seen.sampled += found


async def _secrets(sandboxes: list[Sandbox]) -> dict[str, str]:
    """Return what no log may say: keys of ours and of the provider's, what webhooks are signed with, whole card numbers."""
    found = {f"the card number {card.token}": card.number for card in CARDS}
    found |= {f"the card number {card.token}, spaced": card.spaced for card in CARDS}
    for sandbox in sandboxes:
        found[f"the API key of {sandbox.name}"] = sandbox.world.api_key
        found[f"the signing secret of {sandbox.name}"] = await sandbox.counter.endpoint_secret()
    return found


def _keep_journals(seen: Evidence, folder: Path) -> None:
    kept = {books.name: books.journal for books in seen.books}
    (folder / "journals.json").write_text(json.dumps(kept, indent=1) + "\n")


def _dump(stage: Stage, folder: Path) -> None:
    """Keep the whole database, compressed, where the program for it is there."""
    found = tool("pg_dump", major_min=1)
    program = str(found.program("pg_dump")) if found else shutil.which("pg_dump")
    if program is None:
        (folder / "dump.txt").write_text("pg_dump is not here, so the database was not kept.\n")
        return
    admin = urlsplit(stage.installation.urls.admin)
    where = parse_qs(admin.query)
    environment = {
        **os.environ,
        "PGHOST": where["host"][0],
        "PGPORT": where["port"][0],
        "PGUSER": admin.username or "postgres",
        "PGPASSWORD": admin.password or "",
    }
    command = [program, "--format=custom", f"--file={folder / 'database.dump'}", admin.path.lstrip("/")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DUMP_S, check=False)
    if done.returncode != 0:
        (folder / "dump.txt").write_text(f"pg_dump failed: {done.stderr}\n")
