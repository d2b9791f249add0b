"""What HTTP says of entitlements."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from guilder.domain.entitlements.model import Block, Blocked, Grant, GrantKind, LimitLeft, Settings, Standing
from guilder.domain.entitlements.rules import standing as rules
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import Exact, IdOf, In, Out

CustomerRef = Annotated[CustomerId, IdOf("cus")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]
OrderRef = Annotated[UUID, IdOf("ord")]


class FeatureNow(Out):
    code: str
    value: str


class LimitNow(Out):
    """`included` and `left` are null where there is no limit. `quantity` is exact, `used` in whole units.

    Of a limit without a meter nothing is counted. Beyond a hard limit nothing is allowed; beyond another it is overage.
    """

    code: str
    name: str
    included: int | None
    used: int
    left: int | None
    quantity: Exact
    meter: str | None
    is_hard: bool
    is_over: bool
    resets_at: datetime | None


class LimitAccessOut(Out):
    """`allowed`: the customer may use more of it now. `limit` is null where its plans say nothing of the kind."""

    code: str
    allowed: bool
    limit: LimitNow | None


class SettingsIn(In):
    """A disputed payment shuts its customer out until it is won, unless `blocks_on_dispute` is false."""

    blocks_on_dispute: bool = True


class SettingsOut(Out):
    blocks_on_dispute: bool


class ReadmitIn(In):
    """`cause_id` is that of a block, as the list of them has it."""

    cause_id: UUID


class ContentNow(Out):
    """Something bought; `until` null is for ever."""

    code: str
    until: datetime | None
    order_id: OrderRef


class SubscriptionNow(Out):
    id: SubscriptionRef
    plan_code: str
    plan_version: int
    valid_from: datetime
    valid_until: datetime | None
    is_renewing: bool


class EntitlementsOut(Out):
    """`eligible`: something bought holds now, and nothing shuts the customer out. `reasons` say why not."""

    customer_id: CustomerRef
    organization_id: str
    eligible: bool
    blocked: bool
    reasons: list[str]
    features: list[FeatureNow]
    limits: list[LimitNow]
    content: list[ContentNow]
    subscriptions: list[SubscriptionNow]


class ContentAccessOut(Out):
    """`until` is null where access is for ever, and where there is none."""

    code: str
    allowed: bool
    until: datetime | None


class FeatureAccessOut(Out):
    """`value` is the plan's own, such as "true" or "10 GB"; null where the feature is not there."""

    code: str
    allowed: bool
    value: str | None


class BlockOut(Out):
    cause_id: UUID
    reason: str
    since: datetime


class BlockedOut(Out):
    customer_id: CustomerRef
    organization_id: str
    blocks: list[BlockOut]


def to_wire(standing: Standing) -> EntitlementsOut:
    products = [grant for grant in standing.grants if grant.kind is GrantKind.PRODUCT]
    return EntitlementsOut(
        customer_id=standing.customer_id,
        organization_id=standing.organization_id,
        eligible=standing.is_eligible,
        blocked=standing.is_blocked,
        reasons=list(standing.reasons),
        features=[FeatureNow(code=code, value=value) for code, value in sorted(rules.features(standing).items())],
        limits=[_limit(each) for each in rules.limits(standing)],
        content=[ContentNow(code=each.code, until=each.valid_until, order_id=each.source_id) for each in products],
        subscriptions=[_subscription(each) for each in standing.grants if each.kind is GrantKind.SUBSCRIPTION],
    )


def content_to_wire(standing: Standing, code: str) -> ContentAccessOut:
    allowed, until = rules.content_until(standing, code)
    return ContentAccessOut(code=code, allowed=allowed, until=until)


def feature_to_wire(standing: Standing, code: str) -> FeatureAccessOut:
    value = rules.features(standing).get(code)
    allowed = value not in (None, "false") and standing.is_eligible
    return FeatureAccessOut(code=code, allowed=allowed, value=value)


def limit_to_wire(standing: Standing, code: str) -> LimitAccessOut:
    found = next((each for each in rules.limits(standing) if each.code == code), None)
    allowed = found is not None and found.allows_more and standing.is_eligible
    return LimitAccessOut(code=code, allowed=allowed, limit=_limit(found) if found else None)


def settings_to_wire(settings: Settings) -> SettingsOut:
    return SettingsOut(blocks_on_dispute=settings.blocks_on_dispute)


def blocked_to_wire(blocked: Blocked) -> BlockedOut:
    return BlockedOut(
        customer_id=blocked.customer_id,
        organization_id=blocked.organization_id,
        blocks=[_block(each) for each in blocked.blocks],
    )


def _limit(limit: LimitLeft) -> LimitNow:
    return LimitNow(
        code=limit.code,
        name=limit.name,
        included=limit.included,
        used=limit.used,
        left=limit.left,
        quantity=limit.quantity,
        meter=limit.meter or None,
        is_hard=limit.is_hard,
        is_over=limit.is_over,
        resets_at=limit.resets_at,
    )


def _block(block: Block) -> BlockOut:
    return BlockOut(cause_id=block.cause_id, reason=block.reason, since=block.since)


def _subscription(grant: Grant) -> SubscriptionNow:
    return SubscriptionNow(
        id=grant.source_id,
        plan_code=grant.code,
        plan_version=grant.version,
        valid_from=grant.valid_from,
        valid_until=grant.valid_until,
        is_renewing=grant.is_renewing,
    )
