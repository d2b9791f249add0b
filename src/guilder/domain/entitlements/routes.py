"""What a customer may use, over HTTP. A customer's user may ask about itself only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Path

from guilder.domain.customers import service as customers
from guilder.domain.entitlements import service
from guilder.domain.entitlements.model import Settings
from guilder.domain.entitlements.schemas import (
    BlockedOut,
    ContentAccessOut,
    EntitlementsOut,
    FeatureAccessOut,
    LimitAccessOut,
    ReadmitIn,
    SettingsIn,
    SettingsOut,
    blocked_to_wire,
    content_to_wire,
    feature_to_wire,
    limit_to_wire,
    settings_to_wire,
    to_wire,
)
from guilder.platform.db.gathering import Size
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.rules import Kept
from guilder.platform.http.session import Session

NAME_MAX, CODE_MAX = 255, 64

CustomerPath = Annotated[
    str, Path(alias="organization_id", max_length=NAME_MAX, description="The organization id, `cus_…` or a UUID.")
]
CodePath = Annotated[str, Path(max_length=CODE_MAX)]

# A product asks before each thing that it serves. Where a cache is shared, whoever was shut out a moment ago is let in
# for as long as this at most, and in the ordinary case not at all: the change itself says that the answer is old.
KEPT = Kept(room="entitlements", by="organization_id", seconds=5)

router = Router(prefix="/api", tags=["entitlements"])


@router.get("/entitlements/{organization_id}", kept=KEPT)
async def get_entitlements(session: Session, customer: CustomerPath) -> Envelope[EntitlementsOut]:
    """Say what a customer may use now: eligible or blocked, features, limits, content."""
    found = await service.standing(session.tx, text=customer, only=session.customer_filter, now=session.now)
    return ok(to_wire(found))


@router.get("/entitlements/{organization_id}/content/{code}", kept=KEPT)
async def get_content_access(session: Session, customer: CustomerPath, code: CodePath) -> Envelope[ContentAccessOut]:
    """Say whether a customer may use a product that is sold once, and until when."""
    found = await service.standing(session.tx, text=customer, only=session.customer_filter, code=code, now=session.now)
    return ok(content_to_wire(found, code))


@router.get("/entitlements/{organization_id}/features/{code}", kept=KEPT)
async def get_feature_access(session: Session, customer: CustomerPath, code: CodePath) -> Envelope[FeatureAccessOut]:
    """Say whether a customer's plans have a feature, and with which value."""
    found = await service.standing(session.tx, text=customer, only=session.customer_filter, now=session.now)
    return ok(feature_to_wire(found, code))


class _LimitsLeft:
    """Questions about limits that arrive at the same time, answered by one look."""

    # Two at a time: one that reads of many customers does not stand in the way of all others.
    size = Size(group=200, at_once=2, waiting=4_000)

    def question(self, path: Mapping[str, str]) -> tuple[str, str] | None:
        customer, code = path["organization_id"], path["code"]
        return (customer, code) if len(customer) <= NAME_MAX and len(code) <= CODE_MAX else None

    async def look(self, tx: Tx, questions: Sequence[tuple[str, str]], *, now: datetime) -> list[bytes | None]:
        found = await service.standings_of(tx, texts=[customer for customer, _ in questions], now=now)
        return [
            ok(limit_to_wire(found[customer], code)).model_dump_json().encode() if customer in found else None
            for customer, code in questions
        ]


# Never kept: whoever counts asks this before each step, and use says nothing of itself to what is kept.
@router.get("/entitlements/{organization_id}/limits/{code}", looked=_LimitsLeft())
async def get_limit(session: Session, customer: CustomerPath, code: CodePath) -> Envelope[LimitAccessOut]:
    """Say how much of a limit is left in this period, and whether more may be used now."""
    found = await service.standing(session.tx, text=customer, only=session.customer_filter, now=session.now)
    return ok(limit_to_wire(found, code))


@router.post("/entitlements/{organization_id}/readmit")
async def readmit(session: Session, customer: CustomerPath, body: ReadmitIn) -> Envelope[EntitlementsOut]:
    """Let a customer in again in spite of a payment that it disputes, or whose dispute was lost."""
    found = await customers.find(session.tx, text=customer)
    await service.readmit(session.tx, customer_id=found.id, cause_id=body.cause_id, now=session.now)
    return ok(to_wire(await service.standing(session.tx, text=customer, now=session.now)))


@router.get("/entitlement-settings")
async def get_settings(session: Session) -> Envelope[SettingsOut]:
    return ok(settings_to_wire(await service.settings(session.tx)))


@router.put("/entitlement-settings")
async def set_settings(session: Session, body: SettingsIn) -> Envelope[SettingsOut]:
    """Say whether a disputed payment shuts its customer out."""
    wanted = Settings(tenant_id=session.tenant_id, blocks_on_dispute=body.blocks_on_dispute)
    return ok(settings_to_wire(await service.set_settings(session.tx, settings=wanted, now=session.now)))


@router.get("/blocked")
async def list_blocked(session: Session, page: PageParams) -> ListEnvelope[BlockedOut]:
    """List the customers who are shut out, and why."""
    return listed(await service.blocked(session.tx, query=page), blocked_to_wire)
