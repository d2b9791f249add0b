"""The SQL of who is behind an API key."""

from uuid import UUID

from guilder.platform.db.tx import Tx


async def minter(tx: Tx, key_id: UUID) -> str | None:
    """Return who made an API key, as transactions name whoever acts."""
    found: str | None = await tx.fetchval(
        "select created_by from identity.api_keys where tenant_id = $1 and id = $2", tx.tenant_id, key_id
    )
    return found
