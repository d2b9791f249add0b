"""One-off products."""

from uuid import UUID

import msgspec

from guilder.domain.catalog.model import Product
from guilder.domain.catalog.store.rows import ROOM, json, metadata_from_row
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx


async def insert_product(tx: Tx, product: Product) -> bool:
    """Write a new product; False if its code is taken."""
    tx.touch(product.tenant_id, ROOM)
    inserted = await tx.execute(
        """insert into catalog.products (tenant_id, id, code, name, description, access_days, prices, metadata,
                                         created_at, tax_category, is_tax_inclusive)
           values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10, $11) on conflict (tenant_id, code) do nothing""",
        product.tenant_id,
        product.id,
        product.code,
        product.name,
        product.description,
        product.access_days,
        json(product.prices),
        json(product.metadata),
        product.created_at,
        product.tax_category,
        product.is_tax_inclusive,
    )
    return bool(inserted)


async def product(tx: Tx, *, product_id: UUID | None, code: str | None) -> Product | None:
    row = await tx.fetchrow(
        """select *, prices::text as prices_json, metadata::text as metadata_json
           from catalog.products where id = $1 or code = $2""",
        product_id,
        code,
    )
    return _product(row) if row else None


async def products(tx: Tx, query: PageQuery) -> list[Product]:
    rows = await tx.fetch(
        """select *, prices::text as prices_json, metadata::text as metadata_json from catalog.products
           where ($1::uuid is null or id < $1) order by id desc limit $2""",
        query.after,
        query.limit + 1,
    )
    return [_product(row) for row in rows]


def _product(row: Row) -> Product:
    return Product(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        name=row["name"],
        description=row["description"],
        prices=msgspec.json.decode(row["prices_json"], type=tuple[Money, ...]),
        access_days=row["access_days"],
        tax_category=row["tax_category"],
        is_tax_inclusive=row["is_tax_inclusive"],
        created_at=row["created_at"],
        metadata=metadata_from_row(row["metadata_json"]),
    )
