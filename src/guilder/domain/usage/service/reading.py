"""Reading what was recorded."""

from datetime import datetime

from guilder.domain.usage.model import Correction, UsageEvent
from guilder.domain.usage.store import events as event_rows
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


async def one(tx: Tx, *, event_id: str, customer_id: CustomerId | None = None) -> UsageEvent:
    """Return an event as it counts now; `customer_id` is the only customer that whoever asks may see.

    :raises NotFound: no such event
    """
    found = await event_rows.get(tx, event_id, customer_id=customer_id)
    if found is None:
        raise NotFound("there is no such event")
    return found


async def corrections(tx: Tx, *, event: UsageEvent) -> list[Correction]:
    """Return what an event said before, the oldest correction first."""
    return await event_rows.corrections(tx, event.tenant_id, event.event_id)


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    meter: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Page[UsageEvent]:
    """List the tenant's events, those that arrived last first; dated from `starts_at` up to, not including, `ends_at`."""
    search = event_rows.Search(customer_id=customer_id, meter=meter, starts_at=starts_at, ends_at=ends_at)
    return page_of(await event_rows.listing(tx, query, search), query, lambda each: each.id)
