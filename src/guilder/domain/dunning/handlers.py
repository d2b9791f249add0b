"""What dunning hears: what failed, what was paid or voided, and who has a new method."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning import service
from guilder.domain.dunning.model import Failure
from guilder.domain.invoicing.events import InvoiceOverdue, InvoicePaid, InvoiceVoided
from guilder.domain.payments.events import (
    PaymentCanceled,
    PaymentFailed,
    PaymentMethodAdded,
    PaymentMethodDefaultChanged,
    PaymentMethodPaidWith,
    PaymentMethodUpdated,
)
from guilder.domain.subscriptions.events import SubscriptionMethodChanged
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_payment_failed(tx: Tx, messages: Sequence[Message[PaymentFailed]], *, now: datetime) -> None:
    failures = [
        Failure(
            tenant_id=each.tenant_id,
            payment_id=each.payment_id,
            invoice_id=each.invoice_id,
            customer_id=each.customer_id,
            decline_code=each.decline_code,
            is_hard=each.is_hard,
            failed_at=each.failed_at,
            attempt=each.attempt,
        )
        for each in events_of(messages)
    ]
    await service.failed(tx, failures=failures, now=now)
    await service.look_again(tx, invoices=[each.invoice_ref for each in failures], now=now)


async def on_payment_canceled(tx: Tx, messages: Sequence[Message[PaymentCanceled]], *, now: datetime) -> None:
    """What might have come in by link when its invoice fell overdue has not."""
    invoices = [Ref(each.tenant_id, each.invoice_id) for each in events_of(messages)]
    await service.look_again(tx, invoices=invoices, now=now)


async def on_invoice_overdue(tx: Tx, messages: Sequence[Message[InvoiceOverdue]], *, now: datetime) -> None:
    """A renewal that waits for its customer's link, and whose day has passed, is behind like one whose card failed; and
    so is whatever was sent with payment terms."""
    overdue = {Ref(each.tenant_id, each.invoice_id): each.due_at for each in events_of(messages)}
    await service.unpaid(tx, invoices=overdue, now=now)


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    paid = {Ref(each.tenant_id, each.invoice_id): each.paid_at for each in events_of(messages)}
    await service.paid(tx, invoices=paid, now=now)


async def on_invoice_voided(tx: Tx, messages: Sequence[Message[InvoiceVoided]], *, now: datetime) -> None:
    voided = {Ref(each.event.tenant_id, each.event.invoice_id): each.occurred_at for each in messages}
    await service.voided(tx, invoices=voided, now=now)


async def on_payment_method_added(tx: Tx, messages: Sequence[Message[PaymentMethodAdded]], *, now: datetime) -> None:
    methods = {Ref(each.tenant_id, each.customer_id): each.payment_method_id for each in events_of(messages)}
    await service.method_added(tx, methods=methods, now=now)


async def on_default_method_changed(
    tx: Tx, messages: Sequence[Message[PaymentMethodDefaultChanged]], *, now: datetime
) -> None:
    methods = {Ref(each.tenant_id, each.customer_id): each.payment_method_id for each in events_of(messages)}
    await service.default_changed(tx, methods=methods, now=now)


async def on_payment_method_updated(
    tx: Tx, messages: Sequence[Message[PaymentMethodUpdated]], *, now: datetime
) -> None:
    methods: dict[Ref, set[UUID]] = {}
    for each in events_of(messages):
        methods.setdefault(Ref(each.tenant_id, each.customer_id), set()).add(each.payment_method_id)
    await service.method_updated(tx, methods=methods, now=now)


async def on_payment_method_paid_with(
    tx: Tx, messages: Sequence[Message[PaymentMethodPaidWith]], *, now: datetime
) -> None:
    methods = {Ref(each.tenant_id, each.customer_id): each.payment_method_id for each in events_of(messages)}
    await service.method_paid_with(tx, methods=methods, now=now)


async def on_subscription_method_changed(
    tx: Tx, messages: Sequence[Message[SubscriptionMethodChanged]], *, now: datetime
) -> None:
    heard = events_of(messages)
    methods = {Ref(each.tenant_id, each.subscription_id): each.payment_method_id for each in heard}
    customers = [Ref(each.tenant_id, each.customer_id) for each in heard]
    await service.own_method_changed(tx, methods=methods, customers=customers, now=now)
