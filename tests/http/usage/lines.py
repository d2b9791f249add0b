"""Usage on a port of its own: connections that ask as it is written, and what was given away of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from guilder.domain.usage.routes import router as usage_router
from guilder.entrypoints.wire import Wire
from guilder.platform.http.again import Again
from guilder.platform.http.settings import Allowance, HttpSettings
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.usage import a_meter
from tests.support.ground import database_with_vault
from tests.support.nearby import PATIENT_S, listening
from tests.support.served import PUBLIC_URL, Served, served

# What was taken of a limit is to be seen, and does not come back soon.
SELDOM = HttpSettings(public_url=PUBLIC_URL, per_principal=Allowance(1, burst=1000))


class Line:
    """One connection, asked as it is written here."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def write(self, *pieces: bytes) -> None:
        for each in pieces:
            self._writer.write(each)
            await asyncio.sleep(0.02)

    async def read(self) -> tuple[int, dict[str, str], Any]:
        async with asyncio.timeout(PATIENT_S):
            first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            head = dict(each.lower().split(": ", 1) for each in lines if each)
            return int(first.split()[1]), head, json.loads(await self._reader.readexactly(int(head["content-length"])))

    async def ask(self, *pieces: bytes) -> tuple[int, dict[str, str], Any]:
        await self.write(*pieces)
        return await self.read()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Site:
    """Usage on a port of its own, and a tenant whose key it knows."""

    def __init__(self, house: Served, tenant: Any, key: str, port: int) -> None:
        self.house, self.tenant, self.key, self.port = house, tenant, key, port
        self.given: list[bool] = []
        self.lines: list[Line] = []

    @property
    def again(self) -> Again:
        return self.house.app.ahead.again

    async def line(self) -> Line:
        self.lines.append(Line(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.lines[-1]

    def request(self, event_id: str, *, more: str = "", key: str = "", **event: Any) -> bytes:
        said = {"event_id": event_id, "organization_id": "org_1", "meter": "calls", **event}
        return self.raw(json.dumps(said).encode(), more=more, key=key)

    def raw(self, body: bytes, *, more: str = "", key: str = "") -> bytes:
        head = f"POST /api/usage HTTP/1.1\r\nHost: us\r\nAuthorization: Bearer {key or self.key}\r\n{more}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def events(self) -> list[str]:
        async with self.house.database.transaction([self.tenant.tenant_id], actor="test") as tx:
            return [row["event_id"] for row in await tx.fetch("select event_id from usage.events order by event_id")]

    async def calls(self) -> list[dict[str, Any]]:
        async with self.house.database.transaction([self.tenant.tenant_id], actor="test") as tx:
            rows = await tx.fetch(
                "select request_id, payload from platform.log where topic = 'audit.calls' order by id"
            )
        said = [{"request_id": row["request_id"], **json.loads(row["payload"])} for row in rows]
        return [each for each in said if each["route"] == "/api/usage"]


@asynccontextmanager
async def a_site(database_urls: Any, **more: Any) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_with_vault(database_urls))
        near = await stack.enter_async_context(listening(database))
        house = await stack.enter_async_context(
            served(database, [usage_router], near=near, **{"settings": SELDOM, **more})
        )
        tenant = await new_tenant(database, name="Acme", time_zone="UTC")
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_customer(tx, organization_id="org_1", time_zone="UTC")
            await a_meter(tx, code="calls")
        ask = await house.key_of(tenant)
        await ask("GET", "/api/usage")  # its key is known from here on
        config = uvicorn.Config(house.app, log_config=None, access_log=False, proxy_headers=False, http=Wire, ws="none")
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Wire(config, state, {}), "127.0.0.1", 0)
        try:
            site = Site(house, tenant, ask.token, server.sockets[0].getsockname()[1])
            gather = site.again.gather

            def noted(*request: Any) -> bool:
                is_given = gather(*request)
                site.given.append(is_given)
                return is_given

            site.again.gather = noted  # type: ignore[method-assign]
            yield site
        finally:
            for each in site.lines:
                await each.close()
            server.close()
