"""Linking over HTTP: for a business whose subscriptions began at its provider, and are billed there."""

from guilder.domain.orders import service
from guilder.domain.orders.schemas.linking import LinkIn
from guilder.domain.subscriptions.schemas import SubscriptionOut, subscription_to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["orders"])


@router.post("/subscriptions/linked", status_code=201)
async def link_subscription(session: Session, body: LinkIn) -> Envelope[SubscriptionOut]:
    """Follow a subscription that the provider bills itself: access follows its webhooks, and nothing is billed here."""
    linked = await service.link(
        session.tx,
        organization_id=body.organization_id,
        plan=body.plan_id,
        billing_cycle=body.billing_cycle,
        currency=body.currency,
        account_id=body.gateway_account_id,
        provider_ref=body.provider_subscription,
        starts_at=body.current_period_start,
        ends_at=body.current_period_end,
        metadata=body.metadata,
        now=session.now,
    )
    return ok(subscription_to_wire(linked))
