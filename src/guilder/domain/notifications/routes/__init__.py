"""Notifications over HTTP: what was said, what is wished for, what may be spent, in which words, and what comes back."""

from guilder.domain.notifications.routes.messages import router as _messages
from guilder.domain.notifications.routes.settings import router as _settings
from guilder.domain.notifications.routes.unsubscribing import router as pages
from guilder.domain.notifications.routes.webhooks import router as webhooks
from guilder.platform.http.router import Router

__all__ = ["pages", "router", "webhooks"]

router = Router()
router.include_router(_messages)
router.include_router(_settings)
