"""Reading invoices."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Balance, Invoice, InvoiceKind, Status
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


async def get(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Invoice]:
    return {invoice.ref: invoice for invoice in await store.get(tx, refs)}


async def balances(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Balance]:
    """Return how invoices stand: nothing of theirs is opened, and no line is read."""
    return await store.balances(tx, refs) if refs else {}


async def credited_whole(tx: Tx, *, refs: Sequence[Ref]) -> set[Ref]:
    """Return those of these invoices that nobody has paid for in the end: credit notes took all of them, the last of it while
    it was owed. What credit or money had paid of one is the customer's again."""
    return await store.credited_whole(tx, refs) if refs else set()


async def cut_off(tx: Tx, *, refs: Sequence[Ref]) -> set[Ref]:
    """Return those of which time that they charge was given back: by an end, a pause or a change of what they bill."""
    return set(await store.cut_off(tx, refs)) if refs else set()


async def lock(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Invoice]:
    """Return invoices, held until the transaction ends: what is asked for here cannot be voided or paid meanwhile."""
    return {invoice.ref: invoice for invoice in await store.lock(tx, refs)}


async def paid_since(tx: Tx, *, since: Mapping[Ref, datetime]) -> list[Invoice]:
    """Return what was paid that bills these subscriptions, each since its instant; from and for whom is not opened."""
    return await store.paid_since(tx, since) if since else []


async def one(tx: Tx, *, invoice: UUID | str, customer_id: CustomerId | None = None) -> Invoice:
    """Return an invoice by id or number; with `customer_id`, only if it is that customer's.

    :raises NotFound: no such invoice, or not that customer's
    """
    by_id = invoice if isinstance(invoice, UUID) else ids.from_text("inv", invoice)
    found: Invoice | None = None
    if by_id is not None:
        found = (await get(tx, refs=[Ref(tx.tenant_id, by_id)])).get(Ref(tx.tenant_id, by_id))
    elif isinstance(invoice, str):
        found = await store.by_number(tx, invoice)
    if found is None or customer_id not in (None, found.customer_id):
        raise NotFound("there is no such invoice")
    return found


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    subscription_id: UUID | None = None,
    status: Status | None = None,
    kind: InvoiceKind | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Invoice]:
    rows = await store.listing(
        tx,
        query,
        customer_id=customer_id,
        subscription_id=subscription_id,
        status=status,
        kind=kind,
        since=since,
        until=until,
    )
    return page_of(rows, query, lambda invoice: invoice.id)
