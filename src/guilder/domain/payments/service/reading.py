"""Reading payments."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.payments.model import Payment, State, Status
from guilder.domain.payments.store import attempts, rhythm
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx

PAID_AT_MAX = 12


async def current(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, Payment]:
    """Return, by invoice, the payment that counts: the one in flight or the one that paid it, else the latest."""
    return await attempts.current(tx, invoices)


async def get(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Payment]:
    return {payment.ref: payment for payment in await attempts.get(tx, refs)}


async def one(tx: Tx, *, payment_id: UUID, customer_id: CustomerId | None = None) -> Payment:
    """Return a payment; `customer_id` is the only customer that whoever asks may see.

    :raises NotFound: no such payment
    """
    found = await attempts.get(tx, [Ref(tx.tenant_id, payment_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such payment", field="payment_id")
    return found[0]


async def history(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    invoice_id: UUID | None = None,
    status: Status | None = None,
    gateway: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Payment]:
    """List every attempt, newest first; those requested from `since` up to but not including `until`."""
    rows = await attempts.listing(
        tx,
        query,
        customer_id=customer_id,
        invoice_id=invoice_id,
        status=status,
        gateway=gateway,
        since=since,
        until=until,
    )
    return page_of(rows, query, lambda payment: payment.id)


async def states(tx: Tx, *, payment_id: UUID, customer_id: CustomerId | None = None) -> list[State]:
    """Return every state that a payment was in, and since when, oldest first.

    :raises NotFound: no such payment
    """
    payment = await one(tx, payment_id=payment_id, customer_id=customer_id)
    moves = await attempts.states(tx, payment.ref)
    first = Status(moves[0][0]) if moves else payment.status
    return [
        State(status=first, at=payment.requested_at),
        *(State(status=Status(became), at=at) for _, became, at in moves),
    ]


async def succeeded_totals(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, Money]:
    """Return what came in for each invoice that something came in for; a second capture pays nothing."""
    return dict(await attempts.succeeded_totals(tx, invoices))


async def paid_at(tx: Tx, *, customers: Sequence[Ref]) -> dict[Ref, list[datetime]]:
    """Return when each of these customers last paid, twelve times at most; whoever never did is not in it."""
    return await rhythm.paid_at(tx, customers, each=PAID_AT_MAX) if customers else {}
