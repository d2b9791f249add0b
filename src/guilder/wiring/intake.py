"""The intake: which topics others publish to, and the verb that takes in what comes."""

from collections.abc import Sequence

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import TenantStatus
from guilder.domain.orders import handlers as orders
from guilder.kernel.errors import Refusal
from guilder.kernel.ids import TenantId
from guilder.platform.bus.kafka.intake import Take
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database

ACTOR = "intake"


def charges(database: Database, clocks: TenantClocks) -> Take:
    """Return what takes in a tenant's published charges, by the verb of POST /api/charges."""

    async def take(slug: str, bodies: Sequence[bytes]) -> list[str | None]:
        tenant_id = await _tenant(database, slug)
        if tenant_id is None:
            return ["no_such_tenant"] * len(bodies)
        try:
            async with database.transaction({tenant_id}, actor=ACTOR) as tx:
                if (await identity.tenant(tx)).status is not TenantStatus.ACTIVE:
                    return ["tenant_suspended"] * len(bodies)
                [domain] = await clocks.domains(tx, {tenant_id})
                return await orders.take_published(tx, bodies=bodies, now=domain.now)
        except Refusal as refusal:
            # One of them; which, is found by taking fewer.
            if len(bodies) > 1:
                raise
            return [refusal.code]

    return take


async def _tenant(database: Database, slug: str) -> TenantId | None:
    async with database.transaction(actor=ACTOR) as tx:
        return await identity.find_by_slug(tx, slug=slug)
