"""Everything that a batch of messages speaks of, read in a constant number of statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
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
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """One message with all that it speaks of. `link` is the invoice's page: to pay it, or to see it paid. `corrected` is
    what a credit note corrects; whose invoice it speaks of is who writes."""

    notification: Notification
    reader: Customer
    tenant: Tenant
    issuer: Issuer
    invoice: Invoice | None = None
    corrected: Invoice | None = None
    subscription: Subscription | None = None
    meter: Meter | None = None
    brand: str = ""
    last4: str = ""
    link: str = ""


async def gather(tx: Tx, notifications: Sequence[Notification], *, public_url: str, now: datetime) -> list[Matter]:
    """Read what each message speaks of, in order. One whose reader was erased is not among those returned."""
    tenant_ids = sorted({each.tenant_id for each in notifications})
    readers = await customers.get(tx, refs=_refs(notifications, lambda each: each.customer_id))
    tenants = await identity.tenants(tx, ids=tenant_ids)
    issuers = await identity.issuers(tx, tenant_ids=tenant_ids)
    invoices = await _invoices(tx, notifications)
    running = await subscriptions.get(tx, refs=_refs(notifications, lambda each: each.about.subscription_id))
    paid_by = await payments.current(tx, invoices=list(invoices))
    methods = await _methods(tx, [each for each in notifications if each.kind is Kind.TRIAL_ENDING])
    meters = await _meters(tx, notifications)
    found = []
    for each in notifications:
        reader = readers.get(Ref(each.tenant_id, each.customer_id))
        if reader is None or reader.is_erased:
            continue
        invoice = _named(each, each.about.invoice_id, invoices)
        card = paid_by.get(invoice.ref) if invoice else methods.get(Ref(each.tenant_id, each.customer_id))
        found.append(
            Matter(
                notification=each,
                reader=reader,
                tenant=tenants[each.tenant_id],
                issuer=_issuer(each.tenant_id, invoice, issuers),
                invoice=invoice,
                corrected=_named(each, each.about.corrects_invoice_id, invoices),
                subscription=_named(each, each.about.subscription_id, running),
                meter=meters.get((each.tenant_id, each.about.meter)),
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


async def _invoices(tx: Tx, notifications: Sequence[Notification]) -> dict[Ref, Invoice]:
    about = _refs(notifications, lambda each: each.about.invoice_id)
    corrected = _refs(notifications, lambda each: each.about.corrects_invoice_id)
    return await invoicing.get(tx, refs=sorted({*about, *corrected}))


async def _meters(tx: Tx, notifications: Sequence[Notification]) -> dict[tuple[TenantId, str], Meter]:
    codes = sorted({(each.tenant_id, each.about.meter) for each in notifications if each.about.meter})
    return await catalog.meters(tx, tenant_codes=codes) if codes else {}


def _issuer(tenant_id: TenantId, invoice: Invoice | None, issuers: dict[Ref, Issuer]) -> Issuer:
    """Return whose invoice it is, else the tenant's default, which comes first."""
    if invoice is not None and invoice.issuer_id is not None:
        return issuers[Ref(tenant_id, invoice.issuer_id)]
    return next(each for each in issuers.values() if each.tenant_id == tenant_id)


def _named(each: Notification, named: UUID | None, found: dict[Ref, T]) -> T | None:
    return found.get(Ref(each.tenant_id, named)) if named else None


def _refs(notifications: Sequence[Notification], of: Callable[[Notification], UUID | None]) -> list[Ref]:
    return sorted({Ref(each.tenant_id, found) for each in notifications if (found := of(each)) is not None})
