"""Settlements over HTTP, for the tenant's own people: providers' books beside ours, by the local day."""

from datetime import date, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query

from guilder.domain.identity import service as identity
from guilder.domain.payments import service
from guilder.domain.payments.schemas.refunds import RefundOut, TakeRefundIn, refund_to_wire
from guilder.domain.payments.schemas.settlements import (
    AccountRef,
    DifferenceOut,
    DifferenceRef,
    FoundOut,
    FoundRef,
    ReasonIn,
    SettlementOut,
    difference_to_wire,
    found_to_wire,
    settlement_to_wire,
)
from guilder.kernel.period import at_local
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["settlements"])


@router.get("/settlements", may_lag=True)
async def get_settlement(session: Session, day: Annotated[date, Query()]) -> Envelope[list[SettlementOut]]:
    """Show what each gateway account's own books have of a day, beside ours; the day is local to the tenant."""
    zone = ZoneInfo((await identity.tenant(session.tx)).time_zone)
    since, until = at_local(day, time(), zone), at_local(day + timedelta(days=1), time(), zone)
    found = await service.settlements(session.tx, since=since, until=until)
    return ok([settlement_to_wire(day, each) for each in found])


@router.get("/settlements/differences", may_lag=True)
async def list_differences(
    session: Session,
    page: PageParams,
    account_id: Annotated[AccountRef | None, Query()] = None,
    is_open: Annotated[bool | None, Query()] = None,
) -> ListEnvelope[DifferenceOut]:
    """List where providers' books and ours do not agree, newest first."""
    found = await service.differences(session.tx, query=page, is_open=is_open, account_id=account_id)
    return listed(found, difference_to_wire)


@router.post("/settlements/differences/{difference_id}/resolve")
async def resolve_difference(session: Session, difference_id: DifferenceRef, body: ReasonIn) -> Envelope[DifferenceOut]:
    """Say why a difference is none any more."""
    resolved = await service.resolve_difference(
        session.tx, difference_id=difference_id, reason=body.reason, now=session.now
    )
    return ok(difference_to_wire(resolved))


@router.post("/settlements/differences/{difference_id}/take-refund", status_code=201)
async def take_refund(session: Session, difference_id: DifferenceRef, body: TakeRefundIn) -> Envelope[RefundOut]:
    """Take a refund that somebody made at the provider (`refund_only_there`) for one of ours: its money has gone.

    No provider is asked for anything. The refund has succeeded when it was made there, and the difference is resolved.
    """
    taking = service.Taking(
        reason=body.reason,
        reason_code=body.reason_code,
        ends_access=body.ends_access,
        credit_note=body.credit_note,
    )
    taken = await service.take_refund(session.tx, difference_id=difference_id, taking=taking, now=session.now)
    return ok(refund_to_wire(taken))


@router.get("/settlements/found", may_lag=True)
async def list_found(session: Session) -> Envelope[list[FoundOut]]:
    """List what providers charged for us and is unknown here, as after a restore, and pays nothing yet."""
    return ok([found_to_wire(each) for each in await service.homeless(session.tx)])


@router.post("/settlements/found/{found_id}/put-aside")
async def put_aside(session: Session, found_id: FoundRef, body: ReasonIn) -> Envelope[dict[str, bool]]:
    """Say why a found charge pays nothing here: it was given back at the provider, say."""
    await service.put_aside(session.tx, found_id=found_id, reason=body.reason, now=session.now)
    return ok({"put_aside": True})
