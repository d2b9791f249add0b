"""A billing run in a process of its own, for what is measured beside it: says `ready`, waits for a line, bills, says how.

python bench/_a_run.py APP_URL DOCTOR_URL OWNER_URL ADMIN_URL RENEWALS
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime

import asyncpg
from _cohort import a_house
from _server import Server, Wrong
from journey import do_job
from workers import SUBSCRIBED_BEFORE, a_subscribed_cohort


async def main(app_url: str, doctor_url: str, owner_url: str, admin_url: str, renewals: int) -> None:
    admin = await asyncpg.connect(admin_url)
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(Server(owner_url, app_url, doctor_url, admin_url, admin), now=began)
    cohort, due_at = await a_subscribed_cohort(house, size=renewals, at=began)
    house.clock.instant = due_at
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    since = time.perf_counter()
    await do_job(house, "invoicing.bill_due")
    seconds = time.perf_counter() - since
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        made = await tx.fetchval("select count(*) from invoicing.invoices")
    if made < renewals:
        raise Wrong(f"{made} invoices of {renewals} renewals")
    print(json.dumps({"per_s": renewals / seconds, "seconds": seconds}), flush=True)
    await house.database.close()
    await admin.close()


asyncio.run(main(*sys.argv[1:5], renewals=int(sys.argv[5])))
