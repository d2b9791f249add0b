"""What a subscription's use comes to before it is billed, over HTTP."""

from uuid import UUID

from guilder.domain.invoicing import service
from guilder.domain.invoicing.schemas.invoices import SubscriptionRef
from guilder.domain.invoicing.schemas.use import CurrentUseOut, ProjectedBillOut, projected_to_wire, use_to_wire
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["subscriptions"])


@router.get("/subscriptions/{subscription_id}/usage", may_lag=True)
async def get_current_use(session: Session, subscription_id: SubscriptionRef) -> Envelope[CurrentUseOut]:
    """Get what was used since use was last billed, by charge, with what it comes to so far."""
    subscription = await _own(session, subscription_id)
    return ok(use_to_wire(await service.current_use(session.tx, subscription=subscription, now=session.now)))


@router.get("/subscriptions/{subscription_id}/projected-bill")
async def get_projected_bill(session: Session, subscription_id: SubscriptionRef) -> Envelope[ProjectedBillOut]:
    """Get what the period comes to so far, and what it would come to if use went on as it did until now."""
    subscription = await _own(session, subscription_id)
    return ok(projected_to_wire(await service.projected_bill(session.tx, subscription=subscription, now=session.now)))


async def _own(session: Session, subscription_id: UUID) -> Subscription:
    found = await subscriptions.one(session.tx, ref=Ref(session.tx.tenant_id, subscription_id))
    if session.customer_filter not in (None, found.customer_id):
        raise NotFound("there is no such subscription")
    return found
