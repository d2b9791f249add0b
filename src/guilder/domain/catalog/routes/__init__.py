"""The catalog over HTTP: one file for each of its nouns."""

from guilder.domain.catalog.routes import meters, plans, products, promotions, taxes
from guilder.platform.http.router import Router

router = Router()
for each in (plans, products, meters, promotions, taxes):
    router.include_router(each.router)

__all__ = ["router"]
