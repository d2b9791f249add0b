"""Dunning over HTTP: for the tenant's own people. What a customer can do about it is to pay."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.dunning import service
from guilder.domain.dunning.model import Status
from guilder.domain.dunning.schemas import CaseOut, CaseRef, PolicyIn, PolicyOut, case_to_wire, policy_to_wire
from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Role
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

READ = Permission("dunning:read", tenant=Role.MEMBER)
WRITE = Permission("dunning:write", tenant=Role.BILLING)
SET_POLICY = Permission("dunning:write", tenant=Role.ADMIN)

router = Router(prefix="/api/dunning", tags=["dunning"])


@router.get("/cases", permission=READ)
async def list_cases(
    session: Session,
    page: PageParams,
    customer: Annotated[str | None, Query(max_length=255)] = None,
    status: Annotated[Status | None, Query()] = None,
) -> ListEnvelope[CaseOut]:
    """List cases, newest first; of one customer (by id or organization id), or in one state, if asked."""
    customer_id = (await customers.find(session.tx, text=customer)).id if customer is not None else None
    found = await service.listing(session.tx, query=page, customer_id=customer_id, status=status)
    return listed(found, case_to_wire)


@router.get("/cases/{case_id}", permission=READ)
async def get_case(session: Session, case_id: CaseRef) -> Envelope[CaseOut]:
    return ok(case_to_wire(await service.one(session.tx, case_id=case_id)))


@router.post("/cases/{case_id}/retry", permission=WRITE, status_code=202)
async def retry(session: Session, case_id: CaseRef) -> Envelope[CaseOut]:
    """Try the saved payment method again, now. It uses up none of the planned tries."""
    return ok(case_to_wire(await service.retry_now(session.tx, case_id=case_id, now=session.now)))


@router.post("/cases/{case_id}/give-up", permission=WRITE)
async def give_up(session: Session, case_id: CaseRef) -> Envelope[CaseOut]:
    """Stop collecting: the invoice is written off and the subscription ends. To forgive, void the invoice instead."""
    return ok(case_to_wire(await service.give_up(session.tx, case_id=case_id, now=session.now)))


@router.get("/policy", permission=READ)
async def get_policy(session: Session) -> Envelope[PolicyOut]:
    return ok(policy_to_wire(await service.policy(session.tx)))


@router.put("/policy", permission=SET_POLICY)
async def set_policy(session: Session, body: PolicyIn) -> Envelope[PolicyOut]:
    """Set when a failed payment is tried again, when its customer is reminded, and what happens after the last try."""
    wanted = body.to_model(session.tenant_id)
    return ok(policy_to_wire(await service.set_policy(session.tx, policy=wanted, now=session.now)))
