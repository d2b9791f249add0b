"""Promo codes over HTTP. They are the tenant's own business: a customer redeems one, and lists none."""

from typing import Annotated

from fastapi import Query

from guilder.domain.catalog import service
from guilder.domain.catalog.schemas.promotions import PromoCodeIn, PromoCodeOut, promo_code_to_wire
from guilder.kernel.errors import Invalid
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["catalog"])


class CurrencyAndAmount(Invalid):
    """An amount and its currency go together."""

    code = "currency_and_amount"


@router.get("/promo-codes")
async def list_promo_codes(
    session: Session, page: PageParams, archived: Annotated[bool, Query()] = False
) -> ListEnvelope[PromoCodeOut]:
    """List promo codes, newest first."""
    return listed(await service.promo_codes(session.tx, query=page, archived=archived), promo_code_to_wire)


@router.post("/promo-codes", status_code=201)
async def create_promo_code(session: Session, body: PromoCodeIn) -> Envelope[PromoCodeOut]:
    """Make a promo code: what is taken off, of how many invoices, for whom and until when."""
    if (body.amount is None) != (body.currency is None):
        raise CurrencyAndAmount(field="currency" if body.currency is None else "amount")
    plan_ids = await service.plan_ids(session.tx, plans=body.plan_ids)
    promo = body.to_model(plan_ids=plan_ids)
    return ok(promo_code_to_wire(await service.create_promo_code(session.tx, promo=promo, now=session.now)))


@router.get("/promo-codes/{code}")
async def get_promo_code(session: Session, code: str) -> Envelope[PromoCodeOut]:
    """Get a promo code by its id, or an active one by its code."""
    return ok(promo_code_to_wire(await service.promo_code(session.tx, code=code)))


@router.delete("/promo-codes/{code}")
async def archive_promo_code(session: Session, code: str) -> Envelope[PromoCodeOut]:
    """Let a promo code be redeemed no more. Whoever has redeemed it keeps it; its code may be given again."""
    found = await service.promo_code(session.tx, code=code)
    archived = await service.archive_promo_code(session.tx, promo_code_id=found.id, now=session.now)
    return ok(promo_code_to_wire(archived))
