"""What audit does about what is in the log: it keeps it."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.audit import service
from guilder.platform.db.tx import Row, Tx


async def on_rows(tx: Tx, rows: Sequence[Row], *, now: datetime) -> None:
    await service.append(tx, rows=rows)
