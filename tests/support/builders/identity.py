"""Tenants of every kind."""

import secrets
from datetime import UTC, datetime
from typing import Any

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode, Tenant
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def a_tenant(tx: Tx, **over: Any) -> Tenant:
    """Make a tenant; the transaction sees it from here on, beside those that it saw."""
    now = over.pop("now", NOW)
    tenant_id = over.pop("tenant_id", None) or TenantId(ids.new(now))
    await tx.narrow(tx.tenants | {tenant_id})
    said = {"name": "Acme", "slug": f"acme-{secrets.token_hex(4)}", "mode": Mode.TEST, "time_zone": "Europe/Amsterdam"}
    return await identity.create_tenant(tx, tenant_id=tenant_id, now=now, **{**said, **over})


async def a_company(tx: Tx, **over: Any) -> Tenant:
    """Make the tenant that whoever tries an installation from outside stands for."""
    said = {"name": "Test Company", "slug": f"company-{secrets.token_hex(6)}", "time_zone": "UTC"}
    return await a_tenant(tx, **{**said, **over})


async def a_sandbox(tx: Tx, **over: Any) -> Tenant:
    return await a_tenant(tx, **{"mode": Mode.SANDBOX, "name": "Sandbox", **over})


async def new_tenant(database: Database, **over: Any) -> Tenant:
    """Make a tenant in a transaction of its own."""
    async with database.transaction(actor="test") as tx:
        return await a_tenant(tx, **over)
