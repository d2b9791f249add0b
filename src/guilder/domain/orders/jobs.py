"""What the clock asks of orders."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.orders import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def abandon(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.abandon_due(tx, refs=refs, now=now)
