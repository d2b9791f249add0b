"""Reading: the same events as a feed, by cursor or one by one."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from guilder.domain.webhooks.rules import saying, wanting
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId
from guilder.platform.bus import feed
from guilder.platform.bus.feed import FeedPage
from guilder.platform.db.tx import Tx

LATEST = "latest"
# How far one request looks for events of the wanted kind: the next one goes on where it stopped.
PAGES_MAX = 20


async def events(
    tx: Tx, *, cursor: str | None, limit: int, types: Sequence[str] = (), customer_id: CustomerId | None = None
) -> FeedPage:
    """Read what follows a cursor: complete, each event once, in order per key; `latest` is the cursor of now.

    With `types` or `customer_id` a page may be short, or empty, and have more after it.

    :raises FeedCursorUnreadable: this cursor was not given out
    :raises FeedCursorOutdated: the database was restored since
    """
    if cursor == LATEST:
        return FeedPage([], await feed.latest(tx), has_more=False)
    for _ in range(PAGES_MAX):
        page = await feed.feed(tx, after=cursor, limit=limit)
        wanted = [each for each in page.events if _is_wanted(each, types, customer_id)]
        cursor = page.cursor
        if wanted or not page.has_more:
            break
    return FeedPage([_told(each) for each in wanted], page.cursor, page.has_more)


async def event(tx: Tx, *, event_id: UUID) -> dict[str, Any]:
    """Return one event of the tenant, as long as the log keeps it.

    :raises NotFound: no such event
    """
    found = await feed.one(tx, event_id=event_id)
    if found is None:
        raise NotFound("there is no such event, or it is no longer kept")
    return _told(found)


def _told(each: Mapping[str, Any]) -> dict[str, Any]:
    return {**each, "data": saying.told(each["type"], each["data"])}


def _is_wanted(each: Mapping[str, Any], types: Sequence[str], customer_id: CustomerId | None) -> bool:
    is_type = not types or any(wanting.matches(pattern, each["type"]) for pattern in types)
    return is_type and (customer_id is None or each["data"].get("customer_id") == str(customer_id))
