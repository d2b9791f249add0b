"""What the clock asks of privacy."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.privacy import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def carry_out(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.carry_out_due(tx, refs=refs, now=now)


async def go_round(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.round_due(tx, refs=refs, now=now)
