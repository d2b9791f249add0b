"""Tenants, their keys, trusts, staff and clocks over HTTP, and the door that staff come in by."""

from guilder.domain.identity.routes import access, clerk, logging_out, session, signing_in, staff, tenancy
from guilder.platform.http.router import Router

router = Router()
for each in (tenancy, access, clerk, logging_out, staff, session, signing_in):
    router.include_router(each.router)

__all__ = ["router"]
