"""Forgetting what passed between us and providers; what they hold themselves is theirs to forget."""

from datetime import datetime

from guilder.domain.gateways.store import forgetting
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def forget_customer(tx: Tx, *, customer: Ref) -> None:
    """Keep no token, no words, no payer's name at a provider, and none of the notices about the customer's payments."""
    await forgetting.forget(tx, customer)


async def cut_notices(tx: Tx, *, before: datetime, limit: int) -> int:
    """Keep that a notice came, and not what it said; return how many were cut."""
    return await forgetting.cut_notices(tx, before=before, limit=limit)


async def old_notices(tx: Tx, *, before: datetime, limit: int) -> int:
    """Count notices that would be cut, up to `limit`."""
    return await forgetting.count_notices(tx, before=before, limit=limit)
