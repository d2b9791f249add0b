"""A customer's own: what was told of it handed over, and its names in that forgotten."""

from collections.abc import AsyncIterator

from guilder.domain.webhooks.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return forgetting.records(tx, customer_id)


async def forget_customer(tx: Tx, *, customer: Ref, name: str, alias: str) -> None:
    """Write the pseudonym for the organization id in every body, sent or still to be, and keep no answers."""
    await forgetting.forget(tx, customer, name=name, alias=alias)
