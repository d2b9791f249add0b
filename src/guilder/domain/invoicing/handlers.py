"""What invoicing hears."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import service
from guilder.domain.invoicing.events import CreditNoteIssued, InvoiceEvent
from guilder.domain.invoicing.model import Settled
from guilder.domain.invoicing.service import AskedBack, Documented, Heard, Lost
from guilder.domain.payments.events import (
    DisputeEvent,
    DisputeLost,
    DisputeWon,
    PaymentCanceled,
    PaymentFailed,
    PaymentSucceeded,
    RefundAsked,
    RefundFailed,
    RefundSucceeded,
)
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import SubscriptionEnded
from guilder.domain.subscriptions.rules import periods
from guilder.domain.usage.events import UsageChanged
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_payment_succeeded(tx: Tx, messages: Sequence[Message[PaymentSucceeded]], *, now: datetime) -> None:
    settled = [
        Settled(
            tenant_id=message.event.tenant_id,
            invoice_id=message.event.invoice_id,
            payment_id=message.event.payment_id,
            settled_at=message.event.settled_at,
        )
        for message in messages
    ]
    await service.settle(tx, settled=settled, now=now)


async def on_nothing_came_in(
    tx: Tx, messages: Sequence[Message[PaymentFailed | PaymentCanceled]], *, now: datetime
) -> None:
    """What was given back of an invoice while its money was on its way, as credit, pays for it now."""
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.pay_with_what_notes_gave(tx, refs=refs, now=now)


async def on_refund_succeeded(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.record_refunds(tx, refs=refs, now=now)
    ended = sorted({Ref(each.tenant_id, each.invoice_id) for each in events_of(messages) if each.ends_access})
    await service.end_prepaid_sold(tx, invoices=ended, now=now)


async def on_refund_asked(tx: Tx, messages: Sequence[Message[RefundAsked]], *, now: datetime) -> None:
    """Grant what the policy grants if nothing was used of it."""
    asked = [
        AskedBack(
            refund_id=message.event.refund_id,
            invoice_ref=Ref(message.event.tenant_id, message.event.invoice_id),
            asked_at=message.occurred_at,
        )
        for message in messages
        if message.event.is_granted_if_unused
    ]
    if asked:
        await service.grant_unused(tx, asked=asked, now=now)


async def on_refund_with_note(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    """Make the credit note that was wished for, now that the money is back: a refund that failed needs none."""
    for event in events_of(messages):
        if event.credit_note == "full":
            made = Documented(
                refund_id=event.refund_id, invoice_id=event.invoice_id, amount=event.amount, reason=event.reason
            )
            await service.document_refunds(tx, refunds=[made], now=now)


async def on_dispute(tx: Tx, messages: Sequence[Message[DisputeEvent]], *, now: datetime) -> None:
    """Note what a bank took, or gave back; how the invoice stands is left as it is."""
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.record_refunds(tx, refs=refs, now=now)


async def on_dispute_lost(tx: Tx, messages: Sequence[Message[DisputeLost]], *, now: datetime) -> None:
    """What was bought with the money that is gone is not there to be used; what the bank held beside it is back."""
    lost = [Lost(each.dispute_id, Ref(each.tenant_id, each.invoice_id)) for each in events_of(messages)]
    await service.take_back_lost(tx, lost=lost, now=now)
    await service.give_withheld(tx, refs=sorted({each.invoice_ref for each in lost}), now=now)


async def on_money_stays(tx: Tx, messages: Sequence[Message[DisputeWon | RefundFailed]], *, now: datetime) -> None:
    """Give back what was withheld of unused time, in case this money would go."""
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.give_withheld(tx, refs=refs, now=now)


async def on_refund_failed(tx: Tx, messages: Sequence[Message[RefundFailed]], *, now: datetime) -> None:
    """Give the credit back that the refund should have paid out."""
    refs = sorted({Ref(message.event.tenant_id, message.event.refund_id) for message in messages})
    await service.take_back_pay_outs(tx, refunds=refs, now=now)


async def on_credit_note(tx: Tx, messages: Sequence[Message[CreditNoteIssued]], *, now: datetime) -> None:
    """Have its document made, and that of the invoice anew which owes less by it."""
    named = {
        Ref(message.event.tenant_id, each)
        for message in messages
        for each in (message.event.invoice_id, message.event.corrects_invoice_id)
        if each is not None
    }
    await service.request_documents(tx, refs=sorted(named), now=now)


async def on_invoice_changed(tx: Tx, messages: Sequence[Message[InvoiceEvent]], *, now: datetime) -> None:
    """Have the document made, or made anew: it says whether it is due, paid or void."""
    refs = sorted({Ref(message.event.tenant_id, message.event.invoice_id) for message in messages})
    await service.request_documents(tx, refs=refs, now=now)


async def on_subscription_ended(tx: Tx, messages: Sequence[Message[SubscriptionEnded]], *, now: datetime) -> None:
    """What was never paid for has used up no promo code."""
    refs = sorted({Ref(message.event.tenant_id, message.event.subscription_id) for message in messages})
    found = await subscriptions.get(tx, refs=refs)
    unused = [ref for ref, each in found.items() if periods.never_began(each)]
    if unused:
        await service.take_back_unused(tx, subscriptions=sorted(unused), now=now)


async def on_use_changed(tx: Tx, messages: Sequence[Message[UsageChanged]], *, now: datetime) -> None:
    """Bill use that came to much, and what changed about the use of what has ended."""
    heard = [
        Heard(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            earliest_at=message.event.earliest_at,
            at=message.occurred_at,
        )
        for message in messages
    ]
    await service.bill_heard(tx, heard=heard, now=now)
