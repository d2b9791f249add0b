"""What the clock asks of payments."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.payments import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def look_after(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Start what was requested and not asked of any provider for a while; give back again what was not taken back."""
    return await service.look_after(tx, refs=refs, now=now)


async def warn_expiring(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Tell of cards that run out 30 days before, and 7 days before."""
    return await service.warn_expiring(tx, refs=refs, now=now)


async def give_up_waiting(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """End the wait for a second person, who did not come in 14 days."""
    return await service.give_up_waiting(tx, refs=refs, now=now)


async def look_for_disputed(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Look again for the payments that news of disputes is about."""
    return await service.look_for_disputed(tx, refs=refs, now=now)
