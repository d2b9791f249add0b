"""Plans over HTTP."""

from typing import Annotated

from fastapi import Query

from guilder.domain.catalog import service
from guilder.domain.catalog.schemas.plans import (
    FeatureOut,
    LimitOut,
    PlanIn,
    PlanOut,
    PlanVersionIn,
    features_to_wire,
    limits_to_wire,
    plan_to_wire,
)
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.rules import Kept
from guilder.platform.http.session import Session

# What is on sale changes seldom and says so; a page of prices may be this old. An order reads the tables.
KEPT = Kept(room="catalog", seconds=30)

router = Router(prefix="/api", tags=["catalog"])


@router.get("/plans", kept=KEPT)
async def list_plans(
    session: Session,
    page: PageParams,
    archived: Annotated[bool, Query()] = False,
) -> ListEnvelope[PlanOut]:
    """List plans, each in its newest version, newest first. Those off sale are for the tenant's own to list."""
    return listed(await service.plans(session.tx, query=page, archived=archived), plan_to_wire)


@router.post("/plans", status_code=201)
async def create_plan(session: Session, body: PlanIn) -> Envelope[PlanOut]:
    """Put a plan on sale."""
    made = await service.create_plan(session.tx, code=body.code, content=body.to_model(), now=session.now)
    return ok(plan_to_wire(made))


@router.get("/plans/{plan_id}", kept=KEPT)
async def get_plan(session: Session, plan_id: str) -> Envelope[PlanOut]:
    """Get a plan by its id or its code."""
    return ok(plan_to_wire(await service.plan(session.tx, plan=plan_id)))


@router.put("/plans/{plan_id}")
async def version_plan(session: Session, plan_id: str, body: PlanVersionIn) -> Envelope[PlanOut]:
    """Make a new version of a plan: new customers get it, whoever has the plan stays on theirs until moved."""
    current = await service.plan(session.tx, plan=plan_id)
    made = await service.new_version(session.tx, plan_id=current.id, content=body.to_model(), now=session.now)
    return ok(plan_to_wire(made))


@router.delete("/plans/{plan_id}")
async def archive_plan(session: Session, plan_id: str) -> Envelope[PlanOut]:
    """Take a plan off sale. Whoever has it keeps it."""
    current = await service.plan(session.tx, plan=plan_id)
    return ok(plan_to_wire(await service.archive(session.tx, plan_id=current.id, now=session.now)))


@router.get("/plans/{plan_id}/features", kept=KEPT)
async def list_features(session: Session, plan_id: str) -> Envelope[list[FeatureOut]]:
    """List what a plan can do."""
    return ok(features_to_wire(await service.plan(session.tx, plan=plan_id)))


@router.get("/plans/{plan_id}/limits", kept=KEPT)
async def list_limits(session: Session, plan_id: str) -> Envelope[list[LimitOut]]:
    """List how much a plan includes."""
    return ok(limits_to_wire(await service.plan(session.tx, plan=plan_id)))
