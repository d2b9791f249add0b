"""Pacing: how fast one destination may be called, kept over all processes; and sparing one that asks for it.

A bucket in the database, drawn from in the transaction that claims. Only destinations of one tenant's have one
(`Limits.is_paced`), and most have none: then there is nothing to draw, and a claim costs what it cost.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx
from guilder.platform.outside import store
from guilder.platform.outside.intents import Done

# A destination that says for how long is believed, and asked again after so long at the latest.
PAUSE_MAX_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`per_second` is what was set (None: as fast as it goes), `share` how much of it is used now."""

    per_second: float | None = None
    share: float = 1.0
    paused_until: datetime | None = None


async def pace_of(tx: Tx, *, tenant_id: TenantId, destination: str) -> Pace:
    row = await store.find_pace(tx, tenant_id, destination)
    return Pace(**row) if row else Pace()


async def set_pace(tx: Tx, *, tenant_id: TenantId, destination: str, per_second: float | None) -> Pace:
    """Set how many calls a second may go out; None: as many as go. What it asked for itself stays."""
    await store.set_pace(tx, tenant_id, destination, per_second)
    return await pace_of(tx, tenant_id=tenant_id, destination=destination)


async def heed(tx: Tx, done: Iterable[Done[object, object]]) -> None:
    """Spare the destinations that asked for it: a pause, and half of the pace; many that asked at once asked once."""
    asked: dict[tuple[TenantId, str], float] = {}
    for each in done:
        if each.failure is not None and each.failure.retry_after_s is not None:
            place = (each.intent.tenant_id, each.intent.destination)
            asked[place] = max(asked.get(place, 0.0), min(each.failure.retry_after_s, PAUSE_MAX_S))
    for (tenant_id, destination), pause_s in sorted(asked.items()):
        await store.slow_down(tx, tenant_id, destination, pause_s=pause_s)
