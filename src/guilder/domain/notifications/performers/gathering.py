"""Everything that a batch of messages speaks of, read in a constant number of statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Issuer, Tenant
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.notifications.model import Kind, Notification
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import PaymentMethod
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """One message with all that it speaks of. `link` is the invoice's page: to pay it, or to see it paid."""

    notification: Notification
    reader: Customer
    tenant: Tenant
    issuer: Issuer
    invoice: Invoice | None = None
    subscription: Subscription | None = None
    brand: str = ""
    last4: str = ""
    link: str = ""


async def gather(tx: Tx, notifications: Sequence[Notification], *, public_url: str, now: datetime) -> list[Matter]:
    """Read what each message speaks of, in order. One whose reader was erased is not among those returned."""
    tenant_ids = sorted({each.tenant_id for each in notifications})
    readers = await customers.get(tx, refs=_refs(notifications, lambda each: each.customer_id))
    tenants = await identity.tenants(tx, ids=tenant_ids)
    issuers = await identity.issuer(tx, tenant_ids=tenant_ids)
    invoices = await invoicing.get(tx, refs=_refs(notifications, lambda each: each.about.invoice_id))
    running = await subscriptions.get(tx, refs=_refs(notifications, lambda each: each.about.subscription_id))
    paid_by = await payments.current(tx, invoices=list(invoices))
    methods = await _methods(tx, [each for each in notifications if each.kind is Kind.TRIAL_ENDING])
    found = []
    for each in notifications:
        reader = readers.get(Ref(each.tenant_id, each.customer_id))
        if reader is None or reader.is_erased:
            continue
        invoice = invoices.get(Ref(each.tenant_id, each.about.invoice_id)) if each.about.invoice_id else None
        card = paid_by.get(invoice.ref) if invoice else methods.get(Ref(each.tenant_id, each.customer_id))
        found.append(
            Matter(
                notification=each,
                reader=reader,
                tenant=tenants[each.tenant_id],
                issuer=issuers[each.tenant_id],
                invoice=invoice,
                subscription=_subscription(each, running),
                brand=card.brand if card else "",
                last4=card.last4 if card else "",
                link=await _link(tx, invoice, public_url, now),
            )
        )
    return found


async def _methods(tx: Tx, notifications: Sequence[Notification]) -> dict[Ref, PaymentMethod]:
    refs = _refs(notifications, lambda each: each.customer_id)
    return await payments.default_methods(tx, refs=refs) if refs else {}


async def _link(tx: Tx, invoice: Invoice | None, public_url: str, now: datetime) -> str:
    if invoice is None:
        return ""
    return await orders.payment_link(
        tx, tenant_id=invoice.tenant_id, invoice_id=invoice.id, base_url=public_url, now=now
    )


def _subscription(each: Notification, running: dict[Ref, Subscription]) -> Subscription | None:
    return running.get(Ref(each.tenant_id, each.about.subscription_id)) if each.about.subscription_id else None


def _refs(notifications: Sequence[Notification], of: Callable[[Notification], UUID | None]) -> list[Ref]:
    return sorted({Ref(each.tenant_id, found) for each in notifications if (found := of(each)) is not None})
