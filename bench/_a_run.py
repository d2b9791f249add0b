"""A billing run in a process of its own, for what is measured beside it: says `ready`, waits for a line, bills a cohort month
after month until the next line comes, and says how. What follows from the bills nobody hears.

python bench/_a_run.py APP_URL DOCTOR_URL OWNER_URL ADMIN_URL CUSTOMERS
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import asyncpg
from _cohort import a_house
from _server import Server, Wrong
from journey import do_job
from workers import a_subscribed_cohort

from guilder.entrypoints import serving
from guilder.entrypoints.roles import is_answering
from guilder.platform.config import read_settings

# So long ago that no month of a run of some minutes lies ahead of today.
BEGAN_BEFORE = timedelta(days=3_650)


@dataclass(frozen=True, slots=True)
class Billed:
    """What a run came to."""

    renewals: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.renewals / self.seconds


class Run:
    """A run that was made ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def go(self) -> None:
        self._say()

    async def stop(self) -> Billed:
        """Let the month at hand be the last one.

        :raises Wrong: what was billed is not what fell due
        """
        self._say()
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if await self._process.wait() or not line:
            raise Wrong("the billing run was not right")
        return Billed(**json.loads(line))

    def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def a_run(server: Server, *, customers: int) -> AsyncIterator[Run]:
    """Make a run ready, beside what else the server does; it ends with the block.

    :raises Wrong: it could not be made ready
    """
    urls = (server.app_url, server.doctor_url, server.owner_url, server.admin_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__)),
        *urls,
        str(customers),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        if (await process.stdout.readline()).strip() != b"ready":
            raise Wrong("the billing run was not made ready")
        yield Run(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def main(app_url: str, doctor_url: str, owner_url: str, admin_url: str, customers: str) -> None:
    serving.step_back(read_settings().work_niceness)  # as whoever bills does, beside an API
    admin = await asyncpg.connect(admin_url)
    began = datetime.now(UTC) - BEGAN_BEFORE
    house = await a_house(Server(owner_url, app_url, doctor_url, admin_url, admin), now=began)
    cohort, due_at = await a_subscribed_cohort(house, size=int(customers), at=began)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    months, since = 0, time.perf_counter()
    while not over.done():
        house.clock.instant = due_at
        await do_job(house, "invoicing.bill_due", gives_way=partial(is_answering, house.database))
        months += 1
        async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
            due_at = await tx.fetchval("select max(next_due_at) from subscriptions.subscriptions")
    seconds = time.perf_counter() - since
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        made = await tx.fetchval("select count(*) from invoicing.invoices where status <> 'draft'")
        books = await tx.fetchval("select coalesce(sum(amount_minor), 0)::bigint from ledger.postings")
    if (made, books) != ((months + 1) * len(cohort.customers), 0):
        raise Wrong(f"{made} invoices after {months} months of {len(cohort.customers)}; the books add up to {books}")
    print(json.dumps({"renewals": months * len(cohort.customers), "seconds": seconds}), flush=True)
    await house.database.close()
    await admin.close()


if __name__ == "__main__":
    serving.run(main(*sys.argv[1:6]))
