"""Payments, methods, routes, refunds and disputes over HTTP."""

from guilder.domain.payments.routes import (
    by_hand,
    disputes,
    methods,
    payments,
    refunds,
    routing,
    settlements,
    two_persons,
)
from guilder.platform.http.router import Router

router = Router()
for each in (payments, methods, by_hand, disputes, refunds, two_persons, routing, settlements):
    router.include_router(each.router)

__all__ = ["router"]
