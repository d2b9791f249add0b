"""What a bank took for good: prepaid credits that were bought with it are not there to be used as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import prepaid as rule
from guilder.domain.invoicing.service import giving_back, prepaid
from guilder.domain.invoicing.store import prepaid as rows
from guilder.domain.invoicing.store.prepaid import Use
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True)
class Lost:
    """A dispute that was lost, and the invoice whose money it took."""

    dispute_id: UUID
    invoice_ref: Ref


async def take_back_lost(tx: Tx, *, lost: Sequence[Lost], now: datetime) -> None:
    """Take back what is left of the prepaid credits that were bought with this money, each in the share that is lost of its
    price. What a credit note took already, of this loss or of another part, is not taken twice.
    """
    sellers = set(await rows.sellers(tx, sorted({each.invoice_ref for each in lost})))
    found = [each for each in lost if each.invoice_ref in sellers]
    # In the order in which a credit note locks them.
    seen = await store.get(tx, sorted(sellers))
    await customers.lock(tx, refs=sorted({Ref(each.tenant_id, each.customer_id) for each in seen}))
    held = {each.ref: each for each in await store.lock(tx, sorted(sellers))} if sellers else {}
    for each in found:
        await take_back_sold(tx, invoice=held[each.invoice_ref], cause=("dispute", each.dispute_id), now=now)


async def take_back_sold(tx: Tx, *, invoice: Invoice, cause: tuple[str, UUID], now: datetime) -> None:
    """Take back, of what an invoice sold, as much as is back of its price by now: a credit note or a loss caused it, or that
    what was drawn of it is there again."""
    if not await rows.sellers(tx, [invoice.ref]):
        return
    credited = await store.credited(tx, [invoice.ref])
    sold = await prepaid.sold(tx, invoices=[invoice.ref])
    back = rule.price_back(invoice, credited, lost_minor=await giving_back.lost_to_document(tx, invoice=invoice))
    await prepaid.take_back_sold(tx, grants=sold, price_back_minor=back, cause=cause, now=now)


async def take_back_returned(tx: Tx, *, returned: Sequence[Use], now: datetime) -> None:
    """Take back, of prepaid credits that are there again, what is back of their price: while they were used up there was
    nothing to take."""
    uses = {Ref(each.tenant_id, each.sold_on): each.id for each in returned if each.sold_on}
    for sale in await store.get(tx, sorted(uses)) if uses else []:
        await take_back_sold(tx, invoice=sale, cause=("prepaid_return", uses[sale.ref]), now=now)
