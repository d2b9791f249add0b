"""Refunds that a tenant's policy grants if nothing was used of what they pay back: invoicing knows what that was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Invoice
from guilder.domain.payments import service as payments
from guilder.domain.usage import service as usage
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBack:
    """A refund that a customer asked for, of an invoice."""

    refund_id: UUID
    invoice_ref: Ref
    asked_at: datetime


async def grant_unused(tx: Tx, *, asked: Sequence[AskedBack], now: datetime) -> list[UUID]:
    """Grant those of these refunds whose customer metered nothing since what they pay back began; return which.

    The others wait for staff.
    """
    invoices = {each.ref: each for each in await store.get(tx, sorted({each.invoice_ref for each in asked}))}
    unused = [
        each.refund_id
        for each in asked
        if each.invoice_ref in invoices and await _is_unused(tx, invoices[each.invoice_ref], until=each.asked_at)
    ]
    for refund_id in unused:
        await payments.grant_unused(tx, refund_id=refund_id, now=now)
    return unused


async def _is_unused(tx: Tx, invoice: Invoice, *, until: datetime) -> bool:
    since = min([line.period.starts_at for line in invoice.lines if line.period], default=invoice.issued_at)
    if since >= until:
        return True
    used = await usage.listing(
        tx, query=PageQuery(limit=1), customer_id=invoice.customer_id, starts_at=since, ends_at=until
    )
    return not used.items
