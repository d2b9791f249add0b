"""Payment methods over HTTP. A customer's user sees and changes its own only."""

from datetime import datetime
from typing import Annotated

from fastapi import Path

from guilder.domain.customers import service as customers
from guilder.domain.payments import service
from guilder.domain.payments.model import MethodStatus
from guilder.domain.payments.schemas.methods import MethodIn, MethodOrderIn, MethodOut, method_to_wire
from guilder.domain.payments.schemas.payments import MethodRef
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import RequestSession, Session

router = Router(prefix="/api", tags=["payments"])

CustomerPath = Annotated[str, Path(alias="id", max_length=255, description="`cus_…`, a UUID, or the organization id.")]


@router.get("/customers/{id}/payment-methods")
async def list_methods(session: Session, customer: CustomerPath) -> Envelope[list[MethodOut]]:
    """List a customer's methods, newest first."""
    customer_id = await _customer(session, customer)
    return ok([method_to_wire(each) for each in await service.methods(session.tx, customer_id=customer_id)])


@router.post("/customers/{id}/payment-methods", status_code=202, waits=True)
async def add_method(session: Session, customer: CustomerPath, body: MethodIn) -> Envelope[MethodOut]:
    """Save a method. Its provider validates it first: it is `pending` until then.

    Without a token its customer gives it on the provider's page: `action_url`, as soon as that is there. There a bank asks
    for its customer, too. They come back to `return_url`, with `done=1` if they have; by default to a page of ours that
    says so. `Prefer: wait=N` waits until it is validated, or there is such a page.
    """
    about = await customers.find(session.tx, text=customer, only=session.customer_filter)
    customer_id = about.id
    made = await service.add_method(
        session.tx,
        customer_id=customer_id,
        token=body.token,
        return_url=body.return_url or f"{session.base_url}/payment-methods/back?language={about.language}",
        account_id=body.gateway_account_id,
        kind=body.kind or "",
        make_default=body.make_default,
        now=session.now,
    )

    async def answered(tx: Tx, _: datetime) -> Envelope[MethodOut] | None:
        found = await service.methods(tx, customer_id=customer_id)
        done = (each for each in found if each.status is not MethodStatus.PENDING or each.action_url)
        known = next((each for each in done if each.id == made.id), None)
        return ok(method_to_wire(known)) if known else None

    session.wait_for(answered)
    return ok(method_to_wire(made))


@router.put("/customers/{id}/payment-methods/order")
async def order_methods(session: Session, customer: CustomerPath, body: MethodOrderIn) -> Envelope[list[MethodOut]]:
    """Say in which order methods are tried after the default one; those that are not named come last."""
    customer_id = await _customer(session, customer)
    ordered = await service.order_methods(session.tx, customer_id=customer_id, method_ids=body.ids)
    return ok([method_to_wire(each) for each in ordered])


@router.delete("/customers/{id}/payment-methods/{method_id}")
async def remove_method(session: Session, customer: CustomerPath, method_id: MethodRef) -> Envelope[MethodOut]:
    """Forget a method."""
    customer_id = await _customer(session, customer)
    removed = await service.remove_method(session.tx, method_id=method_id, customer_id=customer_id, now=session.now)
    return ok(method_to_wire(removed))


@router.post("/customers/{id}/payment-methods/{method_id}/default")
async def set_default_method(session: Session, customer: CustomerPath, method_id: MethodRef) -> Envelope[MethodOut]:
    """Charge this method from now on."""
    customer_id = await _customer(session, customer)
    chosen = await service.set_default_method(session.tx, method_id=method_id, customer_id=customer_id, now=session.now)
    return ok(method_to_wire(chosen))


async def _customer(session: RequestSession, text: str) -> CustomerId:
    return (await customers.find(session.tx, text=text, only=session.customer_filter)).id
