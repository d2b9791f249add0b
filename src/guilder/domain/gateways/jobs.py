"""What the clock asks of gateways."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def look_again(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Look up what has had no final answer for a while: webhooks get lost, and providers are down."""
    return await service.look_again(tx, refs=refs, now=now)


async def read_books(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Have providers' own books read, by the hour."""
    return await service.read_books_due(tx, refs=refs, now=now)
