"""One-off products on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import NewProduct, Product
from guilder.domain.catalog.schemas.fields import (
    AmountIn,
    AmountOut,
    CatalogCode,
    Category,
    Description,
    ProductRef,
    amount_to_wire,
)
from guilder.platform.http.fields import In, Metadata, Name, Out

PRICES_MAX = 100


class ProductIn(In):
    """Something sold once. `access_days` says how long buying it gives access; null is for ever."""

    code: CatalogCode
    name: Name
    description: Description = ""
    prices: Annotated[list[AmountIn], Field(min_length=1, max_length=PRICES_MAX)]
    access_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    tax_category: Category = ""
    is_tax_inclusive: bool = False
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({price.currency for price in self.prices}) < len(self.prices):
            raise PydanticCustomError("listed_twice", "a currency is there twice", {"field": "prices"})
        return self

    def to_model(self) -> NewProduct:
        return NewProduct(
            code=self.code,
            name=self.name,
            description=self.description,
            prices=tuple(price.to_model() for price in self.prices),
            access_days=self.access_days,
            tax_category=self.tax_category,
            is_tax_inclusive=self.is_tax_inclusive,
            metadata=self.metadata,
        )


class ProductOut(Out):
    id: ProductRef
    code: str
    name: str
    description: str
    prices: list[AmountOut]
    access_days: int | None
    tax_category: str
    is_tax_inclusive: bool
    metadata: dict[str, str]
    created_at: datetime


def product_to_wire(product: Product) -> ProductOut:
    return ProductOut(
        id=product.id,
        code=product.code,
        name=product.name,
        description=product.description,
        prices=[amount_to_wire(each) for each in product.prices],
        access_days=product.access_days,
        tax_category=product.tax_category,
        is_tax_inclusive=product.is_tax_inclusive,
        metadata=dict(product.metadata),
        created_at=product.created_at,
    )
