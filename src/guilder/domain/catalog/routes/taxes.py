"""Tax rates over HTTP."""

from guilder.domain.catalog import service
from guilder.domain.catalog.schemas.fields import TaxRateRef
from guilder.domain.catalog.schemas.taxes import DefaultTaxRateIn, TaxRateIn, TaxRateOut, tax_rate_to_wire
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["catalog"])


@router.get("/tax-rates")
async def list_tax_rates(session: Session, page: PageParams) -> ListEnvelope[TaxRateOut]:
    """List tax rates, newest first; those that have ended say until when they held."""
    return listed(await service.all_tax_rates(session.tx, query=page), tax_rate_to_wire)


@router.post("/tax-rates", status_code=201)
async def create_tax_rate(session: Session, body: TaxRateIn) -> Envelope[TaxRateOut]:
    """Say what is owed on what is sold where. The rate that says most applies, and the default where none fits."""
    rate = await service.create_tax_rate(
        session.tx,
        name=body.name,
        percent=body.percent,
        country=body.country or "",
        region=body.region,
        category=body.category,
        is_default=body.is_default,
        legal_note=body.legal_note,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        now=session.now,
    )
    return ok(tax_rate_to_wire(rate))


@router.put("/tax-rates/default")
async def set_default_tax_rate(session: Session, body: DefaultTaxRateIn) -> Envelope[TaxRateOut]:
    """Set the rate that net prices are taxed with from now on, where no other one fits."""
    rate = await service.set_default_tax_rate(
        session.tx,
        name=body.name,
        percent=body.percent,
        country=body.country or "",
        legal_note=body.legal_note,
        now=session.now,
    )
    return ok(tax_rate_to_wire(rate))


@router.get("/tax-rates/{tax_rate_id}")
async def get_tax_rate(session: Session, tax_rate_id: TaxRateRef) -> Envelope[TaxRateOut]:
    return ok(tax_rate_to_wire(await service.tax_rate(session.tx, rate_id=tax_rate_id)))


@router.delete("/tax-rates/{tax_rate_id}")
async def end_tax_rate(session: Session, tax_rate_id: TaxRateRef) -> Envelope[TaxRateOut]:
    """Let a rate hold no more from today on; `valid_until` says so. Rates do not change: make a new one."""
    return ok(tax_rate_to_wire(await service.end_tax_rate(session.tx, rate_id=tax_rate_id, now=session.now)))
