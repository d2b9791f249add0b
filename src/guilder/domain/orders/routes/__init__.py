"""Orders over HTTP: the API, and the payment page."""

from guilder.domain.orders.routes.charges import router as charges_router
from guilder.domain.orders.routes.checkout import router as checkout_router
from guilder.domain.orders.routes.linking import router as linking_router
from guilder.domain.orders.routes.moving import router as moving_router
from guilder.domain.orders.routes.orders import router as orders_router
from guilder.domain.orders.routes.subscriptions import router
from guilder.domain.orders.routes.transfers import router as transfers_router

router.include_router(moving_router)
router.include_router(linking_router)
router.include_router(orders_router)
router.include_router(checkout_router)
router.include_router(charges_router)
router.include_router(transfers_router)

__all__ = ["router"]
