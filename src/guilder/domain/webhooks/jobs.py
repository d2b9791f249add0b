"""What the clock asks of webhooks."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.webhooks import service
from guilder.domain.webhooks.store import messages
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

PURGE_MAX = 5_000


async def retry(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.retry_due(tx, refs=refs, now=now)


async def purge(tx: Tx, *, before: datetime) -> int:
    """Forget what was sent before this instant, a batch of it; return how many."""
    return await messages.purge(tx, before=before, limit=PURGE_MAX)
