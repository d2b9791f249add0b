"""What one person may give away alone: the tenant's administrators say, and loosen it together."""

from guilder.domain.payments import service
from guilder.domain.payments.schemas.two_persons import TwoPersonLimitsIn, TwoPersonLimitsOut, to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["refunds"])


@router.get("/two-person-limits")
async def get_two_person_limits(session: Session) -> Envelope[TwoPersonLimitsOut]:
    """Get what one person may refund, or give as credit, alone; and looser limits that somebody has asked for."""
    return ok(to_wire(await service.two_person_limits(session.tx)))


@router.put("/two-person-limits")
async def set_two_person_limits(session: Session, body: TwoPersonLimitsIn) -> Envelope[TwoPersonLimitsOut]:
    """Set the limits. Tighter ones hold at once; looser ones wait under `wanted` until another person grants them."""
    return ok(to_wire(await service.set_two_person_limits(session.tx, limits=body.to_model(), now=session.now)))


@router.post("/two-person-limits/grant")
async def grant_two_person_limits(session: Session) -> Envelope[TwoPersonLimitsOut]:
    """Agree, as another person, to the looser limits under `wanted`."""
    return ok(to_wire(await service.grant_two_person_limits(session.tx, now=session.now)))


@router.post("/two-person-limits/refuse")
async def refuse_two_person_limits(session: Session) -> Envelope[TwoPersonLimitsOut]:
    """Say no to the looser limits under `wanted`, or take the wish back."""
    return ok(to_wire(await service.refuse_two_person_limits(session.tx)))
