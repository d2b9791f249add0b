"""One-off products over HTTP."""

from guilder.domain.catalog import service
from guilder.domain.catalog.schemas.products import ProductIn, ProductOut, product_to_wire
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.rules import Kept
from guilder.platform.http.session import Session

# What is on sale changes seldom and says so; a page of prices may be this old. An order reads the tables.
KEPT = Kept(room="catalog", seconds=30)

router = Router(prefix="/api", tags=["catalog"])


@router.get("/products", kept=KEPT)
async def list_products(session: Session, page: PageParams) -> ListEnvelope[ProductOut]:
    """List what is sold once, newest first."""
    return listed(await service.products(session.tx, query=page), product_to_wire)


@router.post("/products", status_code=201)
async def create_product(session: Session, body: ProductIn) -> Envelope[ProductOut]:
    """Put something on sale that is bought once: content, seats, a service."""
    made = await service.create_product(session.tx, product=body.to_model(), now=session.now)
    return ok(product_to_wire(made))


@router.get("/products/{product_id}", kept=KEPT)
async def get_product(session: Session, product_id: str) -> Envelope[ProductOut]:
    """Get a product by its id or its code."""
    return ok(product_to_wire(await service.product(session.tx, product=product_id)))
