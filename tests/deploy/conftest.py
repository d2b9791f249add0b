"""One process of the API behind a real nginx, and a stand-in that shows what nginx hands on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.auth.principal import ALL_SCOPES
from guilder.platform.clock import WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from tests.support.builders.identity import a_company
from tests.support.database import DatabaseUrls, new_database
from tests.support.nginx import Edge, running_edge
from tests.support.processes import Installation

WEBHOOK_SECRET = f"whsec_{uuid4().hex[:24]}"
FAILED_LOGINS = 4


@dataclass(frozen=True, slots=True)
class Site:
    """What the world sees, and what stands behind it."""

    edge: Edge
    api: Installation
    key: str = field(repr=False)
    """An API key of the default tenant."""


@pytest.fixture(scope="package")
async def site(cluster: DatabaseUrls, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    async with new_database(cluster, f"guilder_{worker_id}_site") as urls:
        api = Installation(urls, folder)
        api.more = {
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "STRIPE_SECRET_KEY": "sk_test_of_nobody",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "RATE_LIMIT_FAILED_LOGINS_PER_MINUTE": str(FAILED_LOGINS),
            "LOG_LEVEL": "INFO",
        }
        key = await found_default_tenant(api)
        try:
            api.add("api", "-m", "guilder", "serve")
            with running_edge(folder / "nginx", servers=[api.port]) as edge:
                api.until_answering(f"{api.base_url}/ready", "api")
                yield Site(edge, api, key)
        finally:
            api.stop()


async def found_default_tenant(installation: Installation) -> str:
    """Make the tenant that the environment's providers belong to; return an API key of it."""
    clock = WallClock()
    vault = Vault(KeyRing.in_folder(installation.folder))
    database = await Database.connect(installation.urls.app, size_max=2, vault=vault)
    try:
        tenant_id = TenantId(ids.new(clock.now()))
        async with database.transaction([tenant_id], actor="test") as tx:
            await a_company(tx, tenant_id=tenant_id, name="Default", slug="default", now=clock.now())
            _, text = await identity.mint_key(
                tx, name="test", role=Role.ADMIN, scopes=[ALL_SCOPES], expires_at=None, now=clock.now()
            )
        return text
    finally:
        await database.close()


@dataclass(slots=True)
class StandIn:
    """Keeps what it is sent, whole, and answers as it is told to: what nginx hands on, byte by byte."""

    answer: Callable[[bytes], bytes] = lambda _: b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.heard.append(head + await reader.readexactly(length))
        writer.write(self.answer(self.heard[-1]))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    def headers(self) -> dict[str, list[str]]:
        """Return the headers of the request that came last, in lower case."""
        found: dict[str, list[str]] = {}
        for line in self.heard[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            found.setdefault(name.lower(), []).append(value)
        return found


@contextlib.asynccontextmanager
async def standing_in(**how: Callable[[bytes], bytes]) -> AsyncIterator[StandIn]:
    stand_in = StandIn(**how)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    stand_in.port = server.sockets[0].getsockname()[1]
    try:
        yield stand_in
    finally:
        server.close()
