"""Reading subscriptions over HTTP, and when their renewals are announced. What changes one is an order."""

from typing import Annotated

from fastapi import Query

from guilder.domain.customers import service as customers
from guilder.domain.subscriptions import service
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.domain.subscriptions.schemas import (
    RenewalRemindersIn,
    RenewalRemindersOut,
    SubscriptionOut,
    reminders_to_wire,
    subscription_to_wire,
)
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.fields import CustomerQuery
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

router = Router(prefix="/api", tags=["subscriptions"])


@router.get("/subscriptions", may_lag=True)
async def list_subscriptions(
    session: Session,
    page: PageParams,
    customer_id: CustomerQuery = None,
    organization_id: Annotated[
        str | None, Query(max_length=255, description="What your product calls the customer: none, where nobody is.")
    ] = None,
    status: Annotated[Status | None, Query()] = None,
) -> ListEnvelope[SubscriptionOut]:
    """List subscriptions, newest first; of one customer or organization, or in one state, if asked."""
    found = await service.listing(
        session.tx,
        query=page,
        customer_id=await customers.about(session.tx, text=customer_id, only=session.customer_filter),
        organization_id=organization_id,
        status=status,
    )
    return listed(found, subscription_to_wire)


@router.get("/subscriptions/{organization_id}")
async def get_subscription(session: Session, organization_id: str) -> Envelope[SubscriptionOut]:
    """Get an organization's subscription: the one that runs, else the newest. A subscription's own id serves too."""
    return ok(subscription_to_wire(await _find(session, organization_id)))


@router.get("/renewal-reminders", may_lag=True)
async def get_renewal_reminders(session: Session) -> Envelope[RenewalRemindersOut]:
    """Say how many days before a renewal it is announced; 0 is never."""
    return ok(reminders_to_wire(await service.renewal_reminders(session.tx)))


@router.put("/renewal-reminders")
async def set_renewal_reminders(session: Session, body: RenewalRemindersIn) -> Envelope[RenewalRemindersOut]:
    """Announce renewals so many days before them from now on."""
    wanted = body.to_model(session.tenant_id)
    return ok(reminders_to_wire(await service.set_renewal_reminders(session.tx, reminders=wanted, now=session.now)))


async def _find(session: RequestSession, name: str) -> Subscription:
    by_id = ids.from_text("sub", name)
    found: list[Subscription] = []
    if by_id is not None:
        found = list((await service.get(session.tx, refs=[Ref(session.tenant_id, by_id)])).values())
    if not found:
        found = await service.of_organization(session.tx, organization_id=name)
    mine = [s for s in found if session.customer_filter in (None, s.customer_id)]
    if not mine:
        raise NotFound("there is no such subscription")
    return next((s for s in mine if s.status not in FINAL), mine[0])
