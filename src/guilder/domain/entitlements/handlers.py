"""What entitlements does about what happens below: each calls one verb."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.customers.events import CustomerCreated
from guilder.domain.dunning.events import AccessToBlock, DunningEvent
from guilder.domain.entitlements import service
from guilder.domain.entitlements.model import Lifting, NewAccount, NewBlock, Purchase, Refunded
from guilder.domain.entitlements.service import PaidAnew
from guilder.domain.invoicing.events import InvoicePaid
from guilder.domain.orders.events import OrderCompleted
from guilder.domain.payments.events import DisputeOpened, DisputeWon, PaymentSucceeded, RefundSucceeded
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.domain.usage.events import UsageChanged
from guilder.domain.usage.model import Use
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

GROUP = "entitlements"


async def on_subscription_moved(tx: Tx, messages: Sequence[Message[SubscriptionEvent]], *, now: datetime) -> None:
    """It was activated, renewed, changed, suspended, recovered or ended, opted out or in: the grant follows."""
    refs = [Ref(event.tenant_id, event.subscription_id) for event in events_of(messages)]
    await service.follow(tx, refs=refs, now=now)


async def on_order_completed(tx: Tx, messages: Sequence[Message[OrderCompleted]], *, now: datetime) -> None:
    purchases = [
        Purchase(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            order_id=message.event.order_id,
            product_code=message.event.product_code,
            invoice_id=message.event.invoice_id,
            # A provider whose clock is ahead of ours does not keep anybody waiting for what is paid.
            bought_at=min(message.event.completed_at, message.occurred_at),
            access_until=message.event.access_until,
        )
        for message in messages
        if message.event.product_id is not None
    ]
    await service.grant_products(tx, purchases=purchases, now=now)


async def on_refund_succeeded(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    refunds = [
        Refunded(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            refund_id=event.refund_id,
            invoice_id=event.invoice_id,
            settled_at=event.settled_at,
        )
        for event in events_of(messages)
        if event.ends_access
    ]
    if refunds:
        await service.revoke(tx, refunds=refunds, now=now)


async def on_access_to_block(tx: Tx, messages: Sequence[Message[AccessToBlock]], *, now: datetime) -> None:
    blocks = [
        NewBlock(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            cause_id=message.event.case_id,
            reason=message.event.reason or "unpaid",
            since=message.occurred_at,
        )
        for message in messages
    ]
    await service.block(tx, blocks=blocks, now=now)


async def on_case_over(tx: Tx, messages: Sequence[Message[DunningEvent]], *, now: datetime) -> None:
    """It was recovered or closed: what it blocked is free."""
    liftings = [
        Lifting(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            cause_id=message.event.case_id,
            lifted_at=message.occurred_at,
        )
        for message in messages
    ]
    await service.unblock(tx, liftings=liftings, now=now)


async def on_dispute_opened(tx: Tx, messages: Sequence[Message[DisputeOpened]], *, now: datetime) -> None:
    blocks = [
        NewBlock(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            cause_id=message.event.dispute_id,
            reason=service.DISPUTED,
            since=message.occurred_at,
        )
        for message in messages
    ]
    await service.dispute_opened(tx, blocks=blocks, now=now)


async def on_dispute_won(tx: Tx, messages: Sequence[Message[DisputeWon]], *, now: datetime) -> None:
    """The money is back, and so is access. One that is lost keeps its customer out until a person says otherwise."""
    liftings = [
        Lifting(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            cause_id=message.event.dispute_id,
            lifted_at=message.occurred_at,
        )
        for message in messages
    ]
    await service.unblock(tx, liftings=liftings, now=now)


async def on_payment_succeeded(tx: Tx, messages: Sequence[Message[PaymentSucceeded]], *, now: datetime) -> None:
    """Whoever lost us a payment to a bank, and pays again, is let in again."""
    paid = [
        PaidAnew(
            customer_ref=Ref(event.tenant_id, event.customer_id),
            payment_id=event.payment_id,
            amount=event.amount,
            settled_at=event.settled_at,
        )
        for event in events_of(messages)
    ]
    await service.paid_anew(tx, payments_made=paid, now=now)


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    """Whoever pays again for time that was refunded, with money or with credit, is let in again."""
    facts = events_of(messages)
    await service.paid_again(
        tx,
        paid={Ref(event.tenant_id, event.invoice_id): event.paid_at for event in facts},
        customers=[Ref(event.tenant_id, event.customer_id) for event in facts],
        now=now,
    )


async def on_usage_changed(tx: Tx, messages: Sequence[Message[UsageChanged]], *, now: datetime) -> None:
    uses = [
        Use(
            tenant_id=each.tenant_id,
            customer_id=each.customer_id,
            meters=frozenset(each.meters),
            earliest_at=each.earliest_at,
            latest_at=each.latest_at,
        )
        for each in events_of(messages)
    ]
    await service.count(tx, uses=uses, now=now)


async def on_customer_created(tx: Tx, messages: Sequence[Message[CustomerCreated]], *, now: datetime) -> None:
    accounts = [
        NewAccount(tenant_id=event.tenant_id, customer_id=event.customer_id, organization_id=event.organization_id)
        for event in events_of(messages)
    ]
    await service.register(tx, accounts=accounts, now=now)
