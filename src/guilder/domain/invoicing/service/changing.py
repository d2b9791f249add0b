"""What a change within a period gives back and charges."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing.model import NewLine
from guilder.domain.subscriptions.model import Changed
from guilder.platform.db.tx import Tx


async def change_lines(
    tx: Tx, *, changed: Sequence[Changed], cause: Sequence[str], at: datetime
) -> list[list[NewLine]]:
    return [[] for _ in changed]


async def unused_lines(
    tx: Tx, *, changed: Sequence[Changed], at: datetime, is_last_day_used: bool = True
) -> list[list[NewLine]]:
    return [[] for _ in changed]
