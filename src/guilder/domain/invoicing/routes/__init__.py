"""Invoices over HTTP, the credit and the discounts around them, and the files that signed links lead to."""

from guilder.domain.invoicing.routes import correcting, credit, healing, invoices, prepaid, two_persons, use
from guilder.domain.invoicing.routes.invoices import files_router
from guilder.platform.http.router import Router

router = Router()
for each in (invoices, correcting, credit, two_persons, prepaid, use, healing):
    router.include_router(each.router)

__all__ = ["files_router", "router"]
