"""What orders hears: how the invoices stand that were made for them."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing.events import InvoicePaid, InvoiceVoided
from guilder.domain.orders import service
from guilder.domain.orders.events import ChargeRequested
from guilder.domain.payments.events import PaymentFailed
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    paid = {Ref(each.tenant_id, each.invoice_id): each.paid_at for each in events_of(messages)}
    await service.paid(tx, invoices=paid, now=now)


async def on_invoice_voided(tx: Tx, messages: Sequence[Message[InvoiceVoided]], *, now: datetime) -> None:
    voided = [Ref(each.tenant_id, each.invoice_id) for each in events_of(messages)]
    await service.canceled(tx, invoices=voided, now=now)


async def on_charge_requested(tx: Tx, messages: Sequence[Message[ChargeRequested]], *, now: datetime) -> None:
    refs = [Ref(each.tenant_id, each.charge_id) for each in events_of(messages)]
    await service.place_charges(tx, refs=refs, now=now)


async def on_payment_failed(tx: Tx, messages: Sequence[Message[PaymentFailed]], *, now: datetime) -> None:
    """Tell the products that asked."""
    failed = {Ref(each.tenant_id, each.invoice_id): each.decline_code for each in events_of(messages)}
    await service.charge_declined(tx, invoices=failed, now=now)
