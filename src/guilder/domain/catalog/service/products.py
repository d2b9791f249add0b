"""One-off products, such as content."""

from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.events import ProductCreated
from guilder.domain.catalog.model import NewProduct, Product
from guilder.domain.catalog.service.plans import CodeTaken
from guilder.domain.catalog.store import products as store
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def create_product(tx: Tx, *, product: NewProduct, now: datetime) -> Product:
    """Put a one-off product on sale.

    :raises CodeTaken: another product of the tenant has the code
    """
    made = Product(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        code=product.code,
        name=product.name,
        description=product.description,
        prices=product.prices,
        access_days=product.access_days,
        tax_category=product.tax_category,
        is_tax_inclusive=product.is_tax_inclusive,
        created_at=now,
        metadata=product.metadata,
    )
    if not await store.insert_product(tx, made):
        raise CodeTaken(f"another product has the code {made.code!r}", field="code")
    event = ProductCreated(tenant_id=made.tenant_id, product_id=made.id, code=made.code)
    outbox.announce(tx, [event], now=now)
    return made


async def product(tx: Tx, *, product: UUID | str, field: str = "product_id") -> Product:
    """Return a product by id or code.

    :raises NotFound: no such product
    """
    by_id = product if isinstance(product, UUID) else ids.from_text("prod", product)
    found = await store.product(tx, product_id=by_id, code=None if isinstance(product, UUID) else product)
    if found is None:
        raise NotFound("there is no such product", field=field)
    return found


async def products(tx: Tx, *, query: PageQuery) -> Page[Product]:
    return page_of(await store.products(tx, query), query, lambda each: each.id)
