"""Payments, methods and refunds over HTTP."""

from guilder.domain.payments.routes import payments, refunds
from guilder.platform.http.router import Router

router = Router()
for each in (payments, refunds):
    router.include_router(each.router)

__all__ = ["router"]
