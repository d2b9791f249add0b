"""A customer's own: its subscriptions handed over, and its names in them forgotten."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.subscriptions.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return forgetting.records(tx, customer_id)


async def open_matters(tx: Tx, *, customer: Ref) -> list[tuple[str, UUID]]:
    """Return the subscriptions that go on, add-ons last: while they do, their customer cannot be forgotten."""
    return [("subscription_active", ref.id) for ref in await forgetting.going_on(tx, customer)]


async def forget_customer(tx: Tx, *, customer: Ref, alias: str) -> None:
    """Write the pseudonym for the organization id, and keep no metadata."""
    await forgetting.forget(tx, customer, alias=alias)
