"""How fast an account may be called: what the provider allows it, kept by all processes together."""

from uuid import UUID

from guilder.domain.gateways.service.connecting import one
from guilder.platform.db.tx import Tx
from guilder.platform.outside import pacing
from guilder.platform.outside.pacing import Pace


async def pace(tx: Tx, *, account_id: UUID) -> Pace:
    """Return how fast this account is called.

    :raises NotFound: no such account
    """
    account = await one(tx, account_id=account_id)
    return await pacing.pace_of(tx, tenant_id=account.tenant_id, destination=account.destination)


async def set_pace(tx: Tx, *, account_id: UUID, calls_per_second: int | None) -> Pace:
    """Call this account so many times a second at the most; None: as fast as it goes.

    :raises NotFound: no such account
    """
    account = await one(tx, account_id=account_id)
    return await pacing.set_pace(
        tx, tenant_id=account.tenant_id, destination=account.destination, per_second=calls_per_second
    )
