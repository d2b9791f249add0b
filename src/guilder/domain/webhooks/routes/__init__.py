"""Webhooks over HTTP: endpoints, what was sent to them, and the same events as a feed. For the tenant's own only."""

from guilder.domain.webhooks.routes import deliveries, endpoints, events
from guilder.platform.http.router import Router

router = Router()
for each in (endpoints, deliveries, events):
    router.include_router(each.router)

__all__ = ["router"]
