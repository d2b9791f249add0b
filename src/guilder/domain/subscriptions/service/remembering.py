"""What subscriptions were: what should have been billed is worked out from it."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.model import Past
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def history(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, list[Past]]:
    """Return each state that these were in, oldest first. Of one from before the history began, the first is marked."""
    return await store.history(tx, refs)


async def some(tx: Tx, *, after: UUID | None, limit: int) -> list[Ref]:
    """Return subscriptions in the order of their ids, ended ones too, so that all can be gone through."""
    return await store.some(tx, after=after, limit=limit)
