"""Reading: records by what is looked for, with what callers said why."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from guilder.domain.audit.model import Filter, Record, Told
from guilder.domain.audit.rules import chain
from guilder.domain.audit.store import reading as store
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealed
from guilder.platform.http.calls import REASON_FIELD

OF_CUSTOMER_MAX = 10_000


async def records(tx: Tx, *, wanted: Filter, query: PageQuery) -> Page[Told]:
    """Return the transaction's tenant's records, newest first."""
    rows = await store.listing(tx, tx.tenant_id, wanted, after=query.after, limit=query.limit + 1)
    page = page_of(rows, query, lambda record: record.entry.id)
    return Page(await told(tx, page.items), page.next_after)


async def one(tx: Tx, *, record_id: UUID) -> Told:
    """Return one record, by its event's id.

    :raises NotFound: no such record, or not any more
    """
    found = await store.one(tx, tx.tenant_id, record_id)
    if found is None:
        raise NotFound("there is no such record, or it is no longer kept")
    [opened] = await told(tx, [found])
    return opened


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> list[dict[str, Any]]:
    """Return what is recorded about a customer as plain values, newest first, up to OF_CUSTOMER_MAX."""
    wanted = Filter(customer_id=customer_id)
    found = await store.listing(tx, tx.tenant_id, wanted, after=None, limit=OF_CUSTOMER_MAX)
    return [dict(chain.texts_of(record)) for record in found]


async def told(tx: Tx, found: Sequence[Record]) -> list[Told]:
    """Open the reasons; what does not open any more is none."""
    sealed = [
        Sealed(each.entry.tenant_id, each.entry.tenant_id, REASON_FIELD, each.entry.sealed_reason)
        for each in found
        if each.entry.sealed_reason is not None
    ]
    opened = iter(await tx.vault.open_many(tx, sealed) if sealed else [])
    return [Told(record=each, reason=next(opened) if each.entry.sealed_reason is not None else None) for each in found]
