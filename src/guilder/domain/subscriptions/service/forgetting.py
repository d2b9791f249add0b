"""A customer's own: its subscriptions handed over, and its names in them forgotten."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from guilder.domain.subscriptions.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return forgetting.records(tx, customer_id)


async def open_matters(tx: Tx, *, customer: Ref) -> list[tuple[str, UUID]]:
    """Return the subscriptions that go on, add-ons last, and what is still to be billed of those that have ended: while
    there is any of it, their customer cannot be forgotten.
    """
    going_on = [("subscription_active", ref.id) for ref in await forgetting.going_on(tx, customer)]
    return going_on + [("period_unbilled", segment_id) for segment_id in await forgetting.unbilled(tx, customer)]


async def going_on(tx: Tx, *, customer: Ref) -> list[Ref]:
    """Return the subscriptions that have not ended and are ours to end, add-ons last."""
    return await forgetting.going_on(tx, customer, with_elsewhere=False)


async def unbilled_use_since(tx: Tx) -> datetime | None:
    """Return since when use of the tenant's subscriptions is still to be billed; None: nothing is."""
    return await forgetting.unbilled_use_since(tx)


async def forget_customer(tx: Tx, *, customer: Ref, alias: str) -> None:
    """Write the pseudonym for the organization id, and keep no metadata."""
    await forgetting.forget(tx, customer, alias=alias)
