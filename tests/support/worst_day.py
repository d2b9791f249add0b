"""What makes a worst day repeatable from outside: a peer that holds its breath, a row that is frozen, a lost answer.

While the provider holds an answer, or while a lock of ours stands in the way, it is known exactly where a process is.
That is where it is killed. Nothing inside the processes knows of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from guilder.kernel import ids
from guilder.platform.outside.intents import CHANNEL
from tests.support.database import DatabaseUrls, connected, new_database
from tests.support.processes import Installation, Process, installed, until
from tests.support.world import World

BLOCKED = "select count(*) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))"
LOCKABLE = frozenset({"payments.payments", "gateways.requests", "customers.customers"})


@asynccontextmanager
async def a_mortal_installation(
    cluster: DatabaseUrls, name: str, folder: Path, **counts: int
) -> AsyncIterator[Installation]:
    """An installation that may be killed without disturbing anybody: its database is its own, too."""
    async with new_database(cluster, f"guilder_mortal_{name}") as urls:
        with installed(urls, folder, **counts) as running:
            yield running


@dataclass(slots=True)
class Counter:
    """The provider's other side of the counter, for the account of one sandbox."""

    http: httpx.AsyncClient
    account: str
    endpoint_url: str

    async def _post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = await self.http.post(f"/sim/accounts/{self.account}/{path}", json=body or {})
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def _get(self, path: str) -> Any:
        answer = await self.http.get(f"/sim/accounts/{self.account}/{path}")
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def fault(self, mode: str, op: str = "any", **more: Any) -> None:
        await self._post("faults", {"mode": mode, "op": op, **more})

    async def well_again(self) -> None:
        await self.fault("ok")

    async def until_held(self, op: str) -> dict[str, Any]:
        """Wait until a call of this kind stands at the breakpoint; its caller waits there for an answer."""

        async def stands() -> Any:
            return next((held for held in (await self._get("held"))["held"] if held["op"] == op), None)

        held: dict[str, Any] = await until(stands, what=f"a {op} at the breakpoint")
        return held

    async def release(self, *, drop: bool = False) -> None:
        await self._post("release", {"drop": drop})

    async def webhooks(self, mode: str) -> None:
        await self._post("webhooks", {"mode": mode})

    async def deliver(self, events: Sequence[str]) -> list[str]:
        """Send held events in this order, each after the answer to the one before; return the answers."""
        told = (await self._post("webhooks/release", {"order": list(events)}))["delivered"]
        return [each["answer"] for each in told]

    async def redeliver(self, event_id: str, *, copies: int = 1) -> None:
        await self._post(f"events/{event_id}/redeliver", {"copies": copies})

    async def events(self, of: str | None = None) -> list[dict[str, Any]]:
        """Return what was announced, oldest first; of one object only, if asked."""
        found = (await self._get("events"))["events"]
        return [each for each in found if of in {None, each["data"]["object"]["id"]}]

    async def approve(self, intent: str, *, is_approved: bool = True) -> None:
        await self._post(f"intents/{intent}/authenticate", {"approve": is_approved})

    async def dispute(self, intent: str, **over: Any) -> dict[str, Any]:
        """Have the customer's bank take a payment back, or ask about it (`inquiry`)."""
        made: dict[str, Any] = await self._post("disputes", {"payment_intent": intent, **over})
        return made

    async def decide(self, dispute: dict[str, Any], status: str) -> None:
        """Have the bank decide (`won`, `lost`), or turn an inquiry into a dispute (`needs_response`)."""
        await self._post(f"disputes/{dispute['id']}", {"status": status})

    async def saved_methods(self, customer_id: str) -> list[str]:
        """Return what the provider calls this customer's saved methods, oldest first."""
        listed = (await self.http.get("/v1/payment_methods", headers=self._key)).json()["data"]
        theirs = str(ids.from_text("cus", customer_id))
        return [each["id"] for each in reversed(listed) if each["customer"] == theirs]

    async def detach(self, method: str) -> None:
        answer = await self.http.post(f"/v1/payment_methods/{method}/detach", headers=self._key)
        assert answer.status_code == 200, answer.text

    async def refund(self, intent: str, *, amount: int) -> str:
        """Give a part of a payment back as somebody does who works at the provider, and not here."""
        asked = {"payment_intent": intent, "amount": amount}
        answer = await self.http.post("/v1/refunds", json=asked, headers=self._key)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def renew(self, method: str, **written: Any) -> None:
        """Have the bank of a saved card issue it anew, with another date or number."""
        await self._post(f"payment_methods/{method}/renew", written)

    async def charges(self, status: str = "succeeded") -> list[dict[str, Any]]:
        answer = await self.http.get("/sim/journal", params={"account": self.account})
        return [charge for charge in answer.json()["charges"] if charge["status"] == status]

    async def objects(self, business_key: str) -> list[dict[str, Any]]:
        """Return the provider's objects for one attempt: there should be one, however often it was asked for."""
        listed = await self.http.get(
            "/v1/payment_intents", params={"metadata[business_key]": business_key}, headers=self._key
        )
        found: list[dict[str, Any]] = listed.json()["data"]
        return found

    @property
    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer sk_sim_{self.account}"}

    async def endpoint_secret(self) -> str:
        """Return what the provider signs with: an attacker does not have it, and a test needs it to compare."""

        async def told() -> str | None:
            # A sandbox that was made just now has not told its provider yet where events go.
            listed = (await self.http.get("/v1/webhook_endpoints", headers=self._key)).json()["data"]
            return next((str(each["secret"]) for each in listed if each["url"] == self.endpoint_url), None)

        secret: str = await until(told, what="the endpoint at the provider")
        return secret


@asynccontextmanager
async def counter_of(world: World) -> AsyncIterator[Counter]:
    async with connected(world.installation.urls.admin) as admin:
        row = await admin.fetchrow(
            "select provider_account, gateway, endpoint_id from gateways.accounts where tenant_id = $1 and is_default",
            world.tenant_id,
        )
    assert row, "the sandbox has no gateway"
    url = world.absolute(f"/api/webhooks/{row['gateway']}/{row['endpoint_id']}")
    async with httpx.AsyncClient(base_url=world.installation.provider_url, trust_env=False, timeout=30) as http:
        yield Counter(http, row["provider_account"], url)


@dataclass(slots=True)
class Freeze:
    """Rows that nobody else can change."""

    admin: "asyncpg.Connection[Any]"

    async def until_blocked(self) -> None:
        """Wait until somebody stands before the frozen rows."""
        mine = await self.admin.fetchval("select pg_backend_pid()")

        async def stands() -> Any:
            return await self.admin.fetchval(BLOCKED, mine)

        # Longer than one call that timed out and was asked again.
        await until(stands, timeout_s=90, what="somebody before the frozen rows")


@asynccontextmanager
async def frozen(world: World, table: str) -> AsyncIterator[Freeze]:
    """Lock the sandbox's rows of a table for as long as the block runs."""
    assert table in LOCKABLE, table
    async with connected(world.installation.urls.admin) as admin, admin.transaction():
        rows = await admin.fetch(f"select 1 from {table} where tenant_id = $1 for update", world.tenant_id)
        assert rows, f"{table} has nothing to freeze"
        yield Freeze(admin)


async def let_leases_run_out(world: World) -> None:
    """Do what waiting for the lease would: whoever claimed an intent and died has lost it now."""
    async with connected(world.installation.urls.admin) as admin:
        await admin.execute(
            "update platform.intents set due_at = clock_timestamp() "
            "where tenant_id = $1 and state = 'waiting' and is_leased",
            world.tenant_id,
        )


@asynccontextmanager
async def in_a_hurry(world: World) -> AsyncIterator[None]:
    """For as long as the block runs, no call of the sandbox waits before it is tried again: that is real seconds."""
    hurried = (
        "with late as (update platform.intents set due_at = clock_timestamp() where (tenant_id, id) in (select tenant_id, id "
        "from platform.intents where tenant_id = $1 and state = 'waiting' and not is_leased "
        "and due_at > clock_timestamp() for update skip locked) returning 1) "
        f"select pg_notify('{CHANNEL}', '') from late limit 1"
    )

    async def hurry() -> None:
        async with connected(world.installation.urls.admin) as admin:
            while True:
                await admin.execute(hurried, world.tenant_id)
                await asyncio.sleep(0.1)

    hurrying = asyncio.create_task(hurry())
    try:
        yield
    finally:
        hurrying.cancel()
        with suppress(asyncio.CancelledError):
            await hurrying


@contextmanager
def killed(*processes: Process) -> Any:
    """Kill -9 now; start again when the block is over."""
    for process in processes:
        process.kill()
    try:
        yield
    finally:
        for process in processes:
            process.start()


@asynccontextmanager
async def answers_get_lost(to_port: int, on_answer: Callable[[], None]) -> AsyncIterator[str]:
    """A wire that carries requests to a port of this machine, and cuts when the answer begins: what it says is done."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", to_port)

        async def upwards() -> None:
            while data := await reader.read(65_536):
                up_writer.write(data)
                await up_writer.drain()

        carrying = asyncio.create_task(upwards())
        try:
            if await up_reader.read(1):
                on_answer()
        finally:
            carrying.cancel()
            writer.close()
            up_writer.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def raw_exchange(base_url: str, request: bytes) -> tuple[int, bytes]:
    """Send bytes that no client library would, and return the status and the body of the answer."""
    parts = httpx.URL(base_url)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    try:
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


async def rows_of(urls: DatabaseUrls, tenant_id: object) -> dict[str, str]:
    """Return a hash of all rows that a tenant has in each table of each room."""
    async with connected(urls.admin) as admin:
        tables = await admin.fetch(
            "select c.table_schema || '.' || c.table_name as name from information_schema.columns c "
            "join information_schema.tables t using (table_schema, table_name) "
            "where c.column_name = 'tenant_id' and t.table_type = 'BASE TABLE' and c.table_schema not in ('platform')"
        )
        found = {}
        for row in tables:
            name = row["name"]
            found[name] = await admin.fetchval(
                f"select md5(coalesce(string_agg(t::text, e'\\n' order by t::text), '')) from {name} t "
                "where tenant_id = $1",
                tenant_id,
            )
    return found
