"""What the clock asks of notifications."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.notifications import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def send_held(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.release_due(tx, refs=refs, now=now)
