"""The event feed over HTTP."""

from typing import Annotated

from fastapi import Path, Query

from guilder.domain.customers import service as customers
from guilder.domain.webhooks import service
from guilder.domain.webhooks.schemas import EventRef, FeedEvent, event_to_wire
from guilder.platform.bus.feed import LIMIT_DEFAULT
from guilder.platform.http.envelope import Envelope, ListEnvelope, PageInfo, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import Limit
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

CURSOR_MAX = 8_192
TYPES_MAX = 2_000

router = Router(prefix="/api", tags=["events"])


@router.get("/events", may_lag=True)
async def read_events(
    session: Session,
    cursor: Annotated[
        str | None, Query(max_length=CURSOR_MAX, description="`page.next_cursor` of the page before, or `latest`.")
    ] = None,
    types: Annotated[
        str | None,
        Query(max_length=TYPES_MAX, description="Names or beginnings: `invoicing.*,payments.payment.failed`."),
    ] = None,
    customer_id: CustomerQuery = None,
    limit: Limit = LIMIT_DEFAULT,
) -> ListEnvelope[FeedEvent]:
    """Read what happened, each event once, complete and in order per customer, from the oldest that is kept.

    `page.next_cursor` is always there: keep it, and ask with it again, now or later. With a filter a page may be short,
    or empty, and have more after it.
    """
    only = await customers.about(session.tx, text=customer_id, only=None)
    wanted = [each.strip() for each in types.split(",") if each.strip()] if types else []
    page = await service.events(session.tx, cursor=cursor, limit=limit, types=wanted, customer_id=only)
    return ListEnvelope[FeedEvent].model_construct(
        status="success",
        data=[event_to_wire(each) for each in page.events],
        page=PageInfo(next_cursor=page.cursor, has_more=page.has_more),
    )


@router.get("/events/{id}", may_lag=True)
async def get_event(session: Session, event_id: Annotated[EventRef, Path(alias="id")]) -> Envelope[FeedEvent]:
    """Get one event, as long as it is kept."""
    return ok(event_to_wire(await service.event(session.tx, event_id=event_id)))
