"""What the clock asks of dunning."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.dunning import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def retry(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.retry_due(tx, refs=refs, now=now)


async def remind(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.remind_due(tx, refs=refs, now=now)


async def block(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.block_due(tx, refs=refs, now=now)


async def resume(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.resume_due(tx, refs=refs, now=now)
