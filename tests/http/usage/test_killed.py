"""The API is killed while many send: what was acknowledged is there, and nothing counts twice when it is sent again."""

import asyncio
import base64
import json
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.usage import routes as usage_routes
from guilder.platform.clock import WallClock
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.usage import a_meter
from tests.support.database import DatabaseUrls, new_database
from tests.support.ground import database_with_vault
from tests.support.processes import Installation
from tests.support.served import Asking, served

SENDERS, BATCH = 24, 5
ACKNOWLEDGED_BEFORE = 200
MASTER_KEY = "test:" + base64.b64encode(b"guilder tests: a key of 32 bytes").decode()


@pytest.mark.shows("fault F1")
async def test_what_was_acknowledged_outlives_the_kill_and_is_counted_once(
    cluster: DatabaseUrls, worker_id: str, tmp_path: Path
):
    async with new_database(cluster, f"usage_killed_{worker_id}") as urls, database_with_vault(urls) as database:
        tenant = await new_tenant(database, name="Acme", time_zone="UTC")
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_customer(tx, organization_id="org_1", time_zone="UTC")
            await a_meter(tx, code="calls")
            _, key = await identity.mint_key(tx, name="t", role=Role.ADMIN, scopes=["*"], expires_at=None, now=NOW)
        sent, acknowledged = await _send_until_killed(
            Installation(urls, tmp_path, more={"GUILDER_MASTER_KEY": MASTER_KEY}), key
        )
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            there = {row["event_id"] for row in await tx.fetch("select event_id from usage.events")}
        assert acknowledged <= there <= sent
        assert len(acknowledged) >= ACKNOWLEDGED_BEFORE
        # Whoever heard no answer sends again, and so does who did.
        async with served(database, [usage_routes.router], now=WallClock().now()) as house:
            ask = Asking(house.client, key)
            answers = [(await ask("POST", "/api/usage", _one(each))).json()["data"]["counted"] for each in sorted(sent)]
        assert sum(answers) == len(sent - there)
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            [row] = await tx.fetch("select count(*) as events, sum(value) as quantity from usage.events")
        assert (row["events"], row["quantity"]) == (len(sent), Decimal(len(sent)))


async def _send_until_killed(installation: Installation, key: str) -> tuple[set[str], set[str]]:
    """Have many send, one and several at once, and kill the API in their midst; return what was sent, and acknowledged."""
    sent: set[str] = set()
    acknowledged: set[str] = set()
    installation.add("api", "-m", "guilder", "serve")
    try:
        await asyncio.to_thread(installation.until_answering, f"{installation.base_url}/ready", "api")

        async def send(number: int) -> None:
            head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            async with httpx.AsyncClient(base_url=installation.base_url, headers=head, trust_env=False) as client:
                while True:
                    names = [str(uuid4()) for _ in range(1 if number % 2 else BATCH)]
                    sent.update(names)
                    said = _one(names[0]) if len(names) == 1 else {"events": [_one(each) for each in names]}
                    try:
                        answer = await client.post("/api/usage", content=json.dumps(said), timeout=60)
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 200, answer.text
                    acknowledged.update(names)
                    if len(acknowledged) >= ACKNOWLEDGED_BEFORE and installation.is_running("api"):
                        await asyncio.to_thread(installation.kill, "api")

        await asyncio.gather(*(send(number) for number in range(SENDERS)))
    finally:
        installation.stop()
    return sent, acknowledged


def _one(event_id: str) -> dict[str, str]:
    return {"event_id": event_id, "organization_id": "org_1", "meter": "calls"}
