"""Dunning over HTTP: for the tenant's own people. What a customer can do about it is to pay."""

from typing import Annotated

from fastapi import Path, Query

from guilder.domain.catalog import service as catalog
from guilder.domain.customers import service as customers
from guilder.domain.dunning import service
from guilder.domain.dunning.model import Policy, Status
from guilder.domain.dunning.schemas import (
    CaseOut,
    CaseRef,
    ChangeOut,
    PauseIn,
    PolicyIn,
    PolicyOut,
    ReasonIn,
    case_to_wire,
    change_to_wire,
    policy_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

PlanPath = Annotated[str, Path(alias="plan_id", max_length=64, description="`plan_…`, or the plan's code.")]

router = Router(prefix="/api/dunning", tags=["dunning"])


@router.get("/cases", may_lag=True)
async def list_cases(
    session: Session,
    page: PageParams,
    customer: CustomerQuery = None,
    status: Annotated[Status | None, Query()] = None,
) -> ListEnvelope[CaseOut]:
    """List cases, newest first; of one customer (by id or organization id), or in one state, if asked."""
    customer_id = await customers.about(session.tx, text=customer, only=None, field="customer")
    found = await service.listing(session.tx, query=page, customer_id=customer_id, status=status)
    return listed(found, case_to_wire)


@router.get("/cases/{case_id}")
async def get_case(session: Session, case_id: CaseRef) -> Envelope[CaseOut]:
    return ok(case_to_wire(await service.one(session.tx, case_id=case_id)))


@router.post("/cases/{case_id}/retry", status_code=202)
async def retry(session: Session, case_id: CaseRef) -> Envelope[CaseOut]:
    """Try the saved payment method again, now. It uses up none of the planned tries."""
    return ok(case_to_wire(await service.retry_now(session.tx, case_id=case_id, now=session.now)))


@router.get("/cases/{case_id}/history", may_lag=True)
async def get_history(session: Session, case_id: CaseRef) -> Envelope[list[ChangeOut]]:
    """Return what happened to a case, the oldest first: what, why, who did it, and when the next try was then."""
    return ok([change_to_wire(each) for each in await service.changes(session.tx, case_id=case_id)])


@router.post("/cases/{case_id}/pause")
async def pause(session: Session, case_id: CaseRef, body: PauseIn) -> Envelope[CaseOut]:
    """Let a case stand still: no tries, no reminders, no block, until a date or until it is resumed.

    Its dates go by, and a payment recovers it all the same.
    """
    paused = await service.pause(session.tx, case_id=case_id, until=body.until, reason=body.reason, now=session.now)
    return ok(case_to_wire(paused))


@router.post("/cases/{case_id}/resume")
async def resume(session: Session, case_id: CaseRef, body: ReasonIn | None = None) -> Envelope[CaseOut]:
    """Let a paused case go on. What fell due meanwhile is due now; of several tries one is made."""
    reason = body.reason if body else ""
    return ok(case_to_wire(await service.resume(session.tx, case_id=case_id, reason=reason, now=session.now)))


@router.post("/cases/{case_id}/forgive")
async def forgive(session: Session, case_id: CaseRef, body: ReasonIn) -> Envelope[CaseOut]:
    """Let go of what is owed: the invoice is void, or the rest of it credited, and the subscription goes on."""
    forgiven = await service.forgive(session.tx, case_id=case_id, reason=body.reason, now=session.now)
    return ok(case_to_wire(forgiven))


@router.post("/cases/{case_id}/give-up")
async def give_up(session: Session, case_id: CaseRef, body: ReasonIn | None = None) -> Envelope[CaseOut]:
    """Stop collecting: the invoice is written off and the subscription ends. Forgiving lets it go on."""
    reason = body.reason if body else ""
    return ok(case_to_wire(await service.give_up(session.tx, case_id=case_id, reason=reason, now=session.now)))


@router.get("/policy")
async def get_policy(session: Session) -> Envelope[PolicyOut]:
    """Return the tenant's rules, and what they come to for something that fails now."""
    return await _shown(session, await service.policy(session.tx))


@router.put("/policy")
async def set_policy(session: Session, body: PolicyIn) -> Envelope[PolicyOut]:
    """Set when a failed payment is tried again, when its customer is reminded, and what happens after the last try."""
    wanted = body.to_model(session.tenant_id)
    return await _shown(session, await service.set_policy(session.tx, policy=wanted, now=session.now))


@router.get("/plans/{plan_id}/policy")
async def get_plan_policy(session: Session, plan: PlanPath) -> Envelope[PolicyOut]:
    """Return the rules that hold for a plan: its own, or else the tenant's."""
    return await _shown(session, await service.policy(session.tx, plan=plan))


@router.put("/plans/{plan_id}/policy")
async def set_plan_policy(session: Session, plan: PlanPath, body: PolicyIn) -> Envelope[PolicyOut]:
    """Set the rules for invoices of one plan, instead of the tenant's. Cases that are open follow from now on."""
    wanted = body.to_model(session.tenant_id, (await catalog.plan(session.tx, plan=plan)).id)
    return await _shown(session, await service.set_policy(session.tx, policy=wanted, now=session.now))


@router.delete("/plans/{plan_id}/policy")
async def remove_plan_policy(session: Session, plan: PlanPath) -> Envelope[PolicyOut]:
    """Let the tenant's rules hold for this plan again."""
    return await _shown(session, await service.remove_policy(session.tx, plan=plan))


async def _shown(session: Session, policy: Policy) -> Envelope[PolicyOut]:
    example = await service.example(session.tx, policy=policy, now=session.now)
    return ok(policy_to_wire(policy, example))
