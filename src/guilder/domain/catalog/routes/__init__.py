"""The catalog over HTTP."""

from guilder.domain.catalog.routes.plans import router

__all__ = ["router"]
