"""What follows a restore before any worker starts: a new epoch of the log, every gateway in quarantine, numbers given up.

The same for a database that was restored by other means: a snapshot of RDS, a pg_restore by hand.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Tenant
from guilder.domain.invoicing import service as invoicing
from guilder.entrypoints.backups import holding
from guilder.entrypoints.backups.programs import Say
from guilder.platform.bus import groups
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.database import Database, connect_once
from guilder.platform.db.migrate import migrate
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Vault
from guilder.wiring.ports import open_keys

ACTOR = "restore"
# Books are read from a while before: providers date what they do by their own clocks.
MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Settled:
    """How a restored database stands. `restored_to` is the last instant that it remembers anything of."""

    restored_to: datetime
    epoch: int
    tenants: int
    accounts: int
    numbers: int

    @property
    def read_since(self) -> datetime:
        return self.restored_to - MARGIN


async def settle(
    settings: Settings, *, restored_to: datetime | None, clock: Clock, say: Say, spare_numbers: int = 0
) -> Settled:
    """Make a restored database safe to work on. Once is right; twice begins another epoch and gives up more numbers.

    `restored_to` is found by the newest of the log's rows where it is not known.
    """
    settings = await holding.writing(settings)
    assert settings.database_url is not None
    owner = holding.login(settings)
    applied = await migrate(owner, report=say)
    if applied:
        say(f"{len(applied)} migrations that this release has, and the backup had not")
    restored_to = restored_to or await _newest(owner, clock)
    tenants = await _tenants(settings)
    database = await Database.connect(
        settings.database_url.get_secret_value(), size_max=2, vault=Vault(await open_keys(settings))
    )
    try:
        # Quarantine first: were this interrupted here, nothing could be charged.
        accounts = [await _quarantine(database, tenant, clock) for tenant in tenants]
        numbers = [
            await _give_up_numbers(database, tenant, restored_to, clock, at_least=spare_numbers)
            for tenant in tenants
            if not tenant.is_sandbox
        ]
        async with database.transaction(actor=ACTOR) as tx:
            # Cursors and log are of one moment here: they go on together.
            epoch = await groups.begin_epoch(tx, with_cursors=True)
    finally:
        await database.close()
    await holding.let_go(owner)
    return Settled(restored_to, epoch, len(tenants), sum(accounts), sum(numbers))


async def _tenants(settings: Settings) -> list[Tenant]:
    url = settings.database_doctor_url or settings.database_owner_url or settings.database_url
    assert url is not None
    connection = await connect_once(url.get_secret_value())
    try:
        async with connection.transaction(readonly=True):
            await connection.execute("set local role guilder_doctor")
            return await identity.visible(Tx(connection, frozenset(), ACTOR))
    finally:
        await connection.close()


async def _quarantine(database: Database, tenant: Tenant, clock: Clock) -> int:
    async def work(tx: Tx) -> int:
        (domain,) = await identity.Clocks(clock).domains(tx, [tenant.tenant_id])
        accounts = await gateways.accounts(tx)
        # Those too that were in it when the backup was taken: their books have to be read up to now.
        await gateways.quarantine(tx, accounts=accounts, now=domain.now)
        return len(accounts)

    return await database.run(work, [tenant.tenant_id], actor=ACTOR)


async def _give_up_numbers(
    database: Database, tenant: Tenant, restored_to: datetime, clock: Clock, *, at_least: int
) -> int:
    async def work(tx: Tx) -> int:
        given_up = await invoicing.give_up_numbers(tx, restored_to=restored_to, now=clock.now(), at_least=at_least)
        return sum(each.last - each.first + 1 for each in given_up)

    return await database.run(work, [tenant.tenant_id], actor=ACTOR)


async def _newest(owner_url: str, clock: Clock) -> datetime:
    connection = await connect_once(owner_url)
    try:
        found: datetime | None = await connection.fetchval("select max(recorded_at) from platform.log")
    finally:
        await connection.close()
    return found or clock.now()
