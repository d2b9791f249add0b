"""Previews: the verb itself, carried out and undone, so that what is shown is what will be, to the cent."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import CreditNoteIssued, InvoiceFinalized
from guilder.domain.invoicing.model import Invoice
from guilder.domain.orders.model import Answer, Preview
from guilder.domain.orders.service.rolling import seen
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.domain.subscriptions.rules.lifecycle import FINAL
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.tx import Tx

# Steps that bring no bill (use closed, a pause, an end) are few between two that do.
STEPS_MAX = 100


async def preview(tx: Tx, verb: Callable[[], Awaitable[Answer]]) -> Preview:
    """Do what is asked for, see what comes of it, and undo it. Ids and numbers in the answer are nobody's.

    What would be refused is refused here by the same name.
    """
    async with tx.rehearsal():
        mark = len(tx.outbox)
        answer = await verb()
        await invoicing.number_now(tx)
        made = await _made_since(tx, mark)
        after = answer.subscription
        if after is not None:
            after = await subscriptions.one(tx, ref=after.ref)
        return Preview(subscription=after, invoices=tuple(made))


async def next_invoice(tx: Tx, *, subscription_id: UUID, only: CustomerId | None = None, now: datetime) -> Preview:
    """Return what the clock brings a subscription next: its invoices of the first due instant that has any.

    All that the customer owes until then is billed first, as it will be: what credit and discounts are left counts.

    :raises NotFound: no such subscription, or not theirs
    """
    found = await seen(tx, subscription_id=subscription_id, only=only)
    async with tx.rehearsal():
        await customers.lock(tx, refs=[Ref(found.tenant_id, found.customer_id)])
        refs = await _refs(tx, found)
        await invoicing.bill_due(tx, refs=refs, now=now)
        for _ in range(STEPS_MAX):
            due_at = await _next_due(tx, found.ref)
            if due_at is None:
                break
            mark = len(tx.outbox)
            await invoicing.bill_due(tx, refs=refs, now=max(due_at, now))
            mine = [each for each in await _made_since(tx, mark) if found.id in each.subscription_ids]
            if mine:
                return Preview(subscription=await subscriptions.one(tx, ref=found.ref), invoices=tuple(mine))
        return Preview(subscription=await subscriptions.one(tx, ref=found.ref), invoices=())


async def _refs(tx: Tx, subscription: Subscription) -> Sequence[Ref]:
    """Return this subscription and the others of its customer that run: what one is owed can pay for another."""
    own = await subscriptions.of_customer(tx, customer_id=subscription.customer_id)
    return sorted({subscription.ref, *(each.ref for each in own if each.status not in FINAL)})


async def _next_due(tx: Tx, ref: Ref) -> datetime | None:
    """Return when something happens next: by the clock, or because what is closed has waited long enough."""
    subscription = await subscriptions.one(tx, ref=ref)
    closed = await subscriptions.open_segments(tx, subscriptions=[ref])
    due = [each.due_at for each in closed]
    if subscription.next_due_at is not None and subscription.status is not Status.PROCESSING:
        due.append(subscription.next_due_at)
    return min(due, default=None)


async def _made_since(tx: Tx, mark: int) -> list[Invoice]:
    """Return the invoices and credit notes that were announced since, in the order in which they were made."""
    told = [each.event for each in tx.outbox[mark:]]
    refs = [
        Ref(event.tenant_id, event.invoice_id)
        for event in told
        if isinstance(event, InvoiceFinalized | CreditNoteIssued)
    ]
    found = await invoicing.get(tx, refs=refs)
    return [found[ref] for ref in refs]
