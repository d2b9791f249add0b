"""A home: a data folder of its own with an embedded server, which a whole house works on in this process."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.entrypoints import answering
from guilder.entrypoints.databases import with_endpoints
from guilder.entrypoints.house import House, open_house
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.auth.principal import ALL_SCOPES
from guilder.platform.config import Settings
from guilder.platform.db.embedded import EmbeddedPostgres, running_admin_url
from guilder.platform.db.migrate import migrate
from tests.support.builders.identity import a_company
from tests.support.database import DatabaseUrls
from tests.support.processes import Installation
from tests.support.siege import settings_of
from tests.support.world import World


@dataclass
class Home:
    """A data folder, and the server on it while it runs. `durable` as a backup needs it: its log is archived."""

    folder: Path
    provider_port: int = 9
    durable: bool = True
    server: EmbeddedPostgres = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o711)  # the server runs as somebody else than root
        self.server = EmbeddedPostgres(self.folder / "postgres", durable=self.durable)

    @property
    def settings(self) -> Settings:
        """As the environment would give them: the database is the embedded one."""
        nowhere = DatabaseUrls("guilder", "", "", "", "")
        return settings_of(Installation(nowhere, self.folder, provider_port=self.provider_port))

    @property
    def admin_url(self) -> str:
        found = running_admin_url(self.folder / "postgres")
        assert found is not None, "the server runs"
        return found

    @contextmanager
    def open(self) -> Iterator[Settings]:
        """Run the server, its tables being there; give settings with its addresses."""
        found = self.server.start()
        try:
            asyncio.run(migrate(found.owner_url, report=lambda _: None))
            yield with_endpoints(self.settings, owner=found.owner_url, app=found.app_url, doctor=found.doctor_url)
        finally:
            self.server.stop()


@contextmanager
def a_street() -> Iterator[Path]:
    """A folder for homes, into which the server's account may look."""
    with tempfile.TemporaryDirectory(prefix="guilder-homes-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@dataclass
class Company:
    """A tenant on the wall's time, and a sandbox of it whose clock can be moved; a key of each."""

    tenant_id: TenantId
    key: str
    sandbox_id: TenantId
    sandbox_key: str


async def found_company(house: House, *, starts_at: Any) -> Company:
    now, company = house.clock.now(), TenantId(ids.new(house.clock.now()))
    async with house.database.transaction([company], actor="test") as tx:
        await a_company(tx, tenant_id=company, now=now)
        _, text = await identity.mint_key(tx, name="test", role=Role.ADMIN, scopes=ALL_SCOPES, expires_at=None, now=now)
        made = await identity.create_sandbox(tx, name="Sandbox", starts_at=starts_at, now=now)
    return Company(company, text, made.tenant.tenant_id, made.text)


@asynccontextmanager
async def busy(settings: Settings) -> AsyncIterator[tuple[House, Callable[[TenantId, str], World]]]:
    """Open a house in which a worker and a scheduler are at work; give it, and worlds of its tenants by their keys."""
    stop = asyncio.Event()
    urls = DatabaseUrls(
        name="guilder",
        owner=_text(settings.database_owner_url),
        app=_text(settings.database_url),
        doctor=_text(settings.database_doctor_url),
        admin="",
    )
    installation = Installation(urls, settings.guilder_data, provider_port=settings.provider_port)
    async with open_house(settings) as house:
        worker = house.worker()
        await worker.consumer.register()
        roles = [asyncio.create_task(run(stop)) for run in (worker.run, house.scheduler().run)]
        transport = httpx.ASGITransport(app=answering.api(house), raise_app_exceptions=False)
        clients: list[httpx.AsyncClient] = []

        def world(tenant_id: TenantId, key: str) -> World:
            client = httpx.AsyncClient(
                transport=transport, base_url=settings.base_url, headers={"Authorization": f"Bearer {key}"}
            )
            clients.append(client)
            return World(installation, tenant_id, key, client)

        try:
            yield house, world
        finally:
            stop.set()
            await asyncio.gather(*roles)
            for client in clients:
                await client.aclose()


def _text(secret: Any) -> str:
    return str(secret.get_secret_value())
