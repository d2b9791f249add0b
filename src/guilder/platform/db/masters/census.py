"""How much is sealed by which master key, over all tenants. Answers with counts and tenants, and no more."""

from guilder.kernel.ids import TenantId
from guilder.platform.crypto import Key, header
from guilder.platform.db.tx import Tx


async def count_under(tx: Tx, key: Key) -> dict[str, int]:
    """Count what a key has sealed, by what it is."""
    rows = await tx.fetch("select what, count from platform.sealed_under($1)", header(key))
    return {row["what"]: row["count"] for row in rows}


async def tenants_not_under(tx: Tx, key: Key) -> list[TenantId]:
    """Return whose things another key than this has sealed."""
    rows = await tx.fetch("select tenant_id from platform.tenants_not_under($1) order by tenant_id", header(key))
    return [TenantId(row["tenant_id"]) for row in rows]
