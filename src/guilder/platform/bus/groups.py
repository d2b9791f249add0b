"""What a person may ask of groups and of the log as a whole: how it stands, who is to be forgotten, a new epoch."""

from guilder.kernel.ids import TenantId
from guilder.platform.bus import store
from guilder.platform.bus.store import Lag
from guilder.platform.db.tx import Tx

# Who carries the log out to Kafka. Its place holds back retention, but neither a sandbox's rest nor anybody's work.
RELAY = "relay"


async def lag(tx: Tx) -> list[Lag]:
    """Return, for every group, how many rows it has yet to pass, and how many messages wait or are dead."""
    return await store.lag(tx)


async def pending(tx: Tx, *, tenant_id: TenantId) -> int:
    """Count what of a tenant's is under way in the log; a sandbox is at rest when it is 0. Dead letters are at rest."""
    return await store.pending(tx, tenant_id)


async def forget(tx: Tx, *, group: str) -> None:
    """Drop a group that no code speaks for any more, so that it holds back neither retention nor a sandbox's rest."""
    await store.forget(tx, group)


async def begin_epoch(tx: Tx, *, with_cursors: bool) -> int:
    """Begin a new life of the log, after a restore; return its number.

    Batches that are under way are refused. Cursors come along `with_cursors`: right where they and the log are of one
    backup, and nothing outside remembers more. Until they do, consumers raise WrongEpoch.
    """
    return await store.begin_epoch(tx, with_cursors=with_cursors)
