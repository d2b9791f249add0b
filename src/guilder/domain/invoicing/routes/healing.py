"""What should have been billed of a subscription, and was not: for staff, over HTTP."""

from guilder.domain.invoicing import service
from guilder.domain.invoicing.schemas.differences import DifferencesOut, to_wire
from guilder.domain.invoicing.schemas.invoices import InvoiceOut, SubscriptionRef
from guilder.domain.invoicing.schemas.invoices import to_wire as invoice_to_wire
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

DIFFERENCES_MAX = 1_000

router = Router(prefix="/api", tags=["invoices"])


@router.get("/subscriptions/{subscription_id}/differences")
async def differences(session: Session, subscription_id: SubscriptionRef) -> Envelope[DifferencesOut]:
    """Compare what should have been billed of a subscription with what was: nothing is what there should be."""
    ref = Ref(session.tenant_id, subscription_id)
    await subscriptions.one(session.tx, ref=ref)
    found = await service.differences(session.tx, refs=[ref], limit=DIFFERENCES_MAX, now=session.now)
    return ok(DifferencesOut(subscription_id=subscription_id, differences=[to_wire(each) for each in found]))


@router.post("/subscriptions/{subscription_id}/heal")
async def heal(session: Session, subscription_id: SubscriptionRef) -> Envelope[list[InvoiceOut]]:
    """Bill what is missing of a subscription, and only that: once, dated by when it fell due. The rest is for people."""
    ref = Ref(session.tenant_id, subscription_id)
    await subscriptions.one(session.tx, ref=ref)
    made = await service.heal(session.tx, refs=[ref], now=session.now)
    return ok([invoice_to_wire(each) for each in made])
