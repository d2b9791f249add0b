"""What the clock asks of subscriptions. Their periods are rolled by invoicing, which bills them in the same breath."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def remind_of_trials(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.remind_of_trials(tx, refs=refs, now=now)


async def remind_of_renewals(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    return await service.remind_of_renewals(tx, refs=refs, now=now)
