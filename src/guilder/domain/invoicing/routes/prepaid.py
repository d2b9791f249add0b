"""Prepaid credits over HTTP. A customer sees its own, and grants itself none."""

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service
from guilder.domain.invoicing.schemas.prepaid import PrepaidIn, PrepaidOut, PrepaidRef, to_wire
from guilder.kernel.money import Money
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["prepaid credits"])


@router.post("/customers/{customer}/prepaid-credits", status_code=201)
async def grant_prepaid_credits(session: Session, customer: str, body: PrepaidIn) -> Envelope[PrepaidOut]:
    """Grant prepaid credits, which pay for use alone: a gift, or bought (`paid`) with an invoice that is collected now."""
    found = await customers.find(session.tx, text=customer)
    made, invoice = await service.grant_prepaid(
        session.tx,
        customer_id=found.id,
        amount=Money(body.amount, body.currency),
        priority=body.priority,
        expires_at=body.expires_at,
        name=body.name,
        is_paid=body.paid,
        now=session.now,
    )
    is_paid_at_once = invoice is not None and invoice.due.is_zero
    return ok(to_wire(made, is_usable=made.is_usable or is_paid_at_once))


@router.get("/customers/{customer}/prepaid-credits")
async def list_prepaid_credits(session: Session, page: PageParams, customer: str) -> ListEnvelope[PrepaidOut]:
    """List a customer's prepaid credits, newest first, used up and expired ones too."""
    found = await customers.find(session.tx, text=customer, only=session.customer_filter)
    return listed(await service.prepaid_grants(session.tx, query=page, customer_id=found.id), to_wire)


@router.delete("/prepaid-credits/{grant_id}")
async def void_prepaid_credits(session: Session, grant_id: PrepaidRef) -> Envelope[PrepaidOut]:
    """Take back what is left of prepaid credits."""
    return ok(to_wire(await service.void_prepaid(session.tx, grant_id=grant_id, now=session.now)))
