"""Orders over HTTP: the API, and the payment page."""

from guilder.domain.orders.routes.api import router
from guilder.domain.orders.routes.checkout import router as checkout_router

router.include_router(checkout_router)

__all__ = ["router"]
