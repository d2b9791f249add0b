"""Everything that a batch of messages speaks of, read in a constant number of statements."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from guilder.domain.notifications import service
from guilder.domain.notifications.model import TO_STAFF, Channel, Kind, Notification
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, PaymentMethod
from guilder.domain.payments.rules.brands import brand_name
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.outside.templating import OwnText

_NAMES_WHAT_IS_CHARGED = frozenset({Kind.TRIAL_ENDING, Kind.UPCOMING_RENEWAL})
# What a refund goes back to is noted with it: another payment of the invoice may be the one that stands.
_OF_REFUNDS = frozenset({Kind.REFUND_ASKED, Kind.REFUND_REFUSED, Kind.REFUND_SUCCEEDED})
_NO_DIGIT = re.compile(r"[ ().-]")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """One message with all that it speaks of. `link` is the invoice's page: to pay it, or to see it paid. `corrected` is
    what a credit note corrects; whose invoice it speaks of is who writes. `document` is where the receipt's PDF lies, and
    `attached` its name once it is at hand; `more` is where its reader can have no more of this sort."""

    notification: Notification
    reader: Customer
    tenant: Tenant
    issuer: Issuer
    invoice: Invoice | None = None
    corrected: Invoice | None = None
    subscription: Subscription | None = None
    parent: Subscription | None = None  # what an add-on on trial belongs to
    meter: Meter | None = None
    brand: str = ""
    last4: str = ""
    expires: str = ""  # the last month of the card that it is about, as it is now
    label: str = ""  # of what is charged, where brand and last four digits do not say it
    link: str = ""
    document: str = ""
    attached: str = ""
    more: str = ""
    report_url: str = ""  # where a text's provider is to report to
    own: OwnText | None = None

    @property
    def is_to_staff(self) -> bool:
        return self.notification.kind in TO_STAFF

    @property
    def language(self) -> str:
        return self.issuer.language if self.is_to_staff else self.reader.language

    @property
    def time_zone(self) -> str:
        return self.tenant.time_zone if self.is_to_staff else self.reader.time_zone

    @property
    def address(self) -> str:
        """Return where it goes: the number of a text without what people put between its digits."""
        if self.is_to_staff:
            return self.issuer.email
        is_mail = self.notification.channel is Channel.EMAIL
        return self.reader.email if is_mail else _NO_DIGIT.sub("", self.reader.phone)


async def gather(tx: Tx, notifications: Sequence[Notification], *, public_url: str, now: datetime) -> list[Matter]:
    """Read what each message speaks of, in order. What would go to somebody who was erased is not among those
    returned."""
    tenant_ids = sorted({each.tenant_id for each in notifications})
    readers = await customers.get(tx, refs=_refs(notifications, lambda each: each.customer_id))
    tenants = await identity.tenants(tx, ids=tenant_ids)
    issuers = await identity.issuers(tx, tenant_ids=tenant_ids)
    invoices = await _invoices(tx, notifications)
    running = await subscriptions.get(tx, refs=_refs(notifications, lambda each: each.about.subscription_id))
    parents = await _parents(tx, notifications, running)
    paid_by = await payments.current(tx, invoices=list(invoices))
    methods = await _methods(tx, [each for each in notifications if each.kind in _NAMES_WHAT_IS_CHARGED], running)
    methods |= await _spoken_of(tx, notifications)
    documents = await _documents(tx, notifications, invoices)
    texted = sorted({each.tenant_id for each in notifications if each.channel is Channel.SMS})
    reported_to = await service.status_callbacks(tx, tenant_ids=texted) if texted else {}
    meters = await _meters(tx, notifications)
    found = []
    for each in notifications:
        reader = readers.get(Ref(each.tenant_id, each.customer_id))
        if reader is None or (reader.is_erased and each.kind not in TO_STAFF):
            continue
        invoice = _named(each, each.about.invoice_id, invoices)
        stands = None if each.kind in _OF_REFUNDS else invoice
        card = paid_by.get(stands.ref) if stands else methods.get(each.ref)
        found.append(
            Matter(
                notification=each,
                reader=reader,
                tenant=tenants[each.tenant_id],
                issuer=_issuer(each.tenant_id, invoice, issuers),
                invoice=invoice,
                corrected=_named(each, each.about.corrects_invoice_id, invoices),
                subscription=_named(each, each.about.subscription_id, running),
                parent=parents.get(each.ref),
                meter=meters.get((each.tenant_id, each.about.meter)),
                brand=each.about.brand or (card.brand if card else ""),
                last4=each.about.last4 or (card.last4 if card else ""),
                label=_label(card),
                expires=f"{card.exp_year:04}-{card.exp_month:02}" if isinstance(card, PaymentMethod) else "",
                link=await _link(tx, invoice, public_url, now),
                document=documents.get(each.ref, ""),
                more=service.unsubscribe_link(tx.vault, notification=each, base_url=public_url),
                report_url=_report_url(reported_to.get(each.tenant_id), public_url),
            )
        )
    own = await service.words_for(tx, messages=[(each.notification, each.language) for each in found])
    return [replace(each, own=own.get(each.notification.ref)) for each in found]


def _report_url(endpoint_id: UUID | None, public_url: str) -> str:
    return f"{public_url.rstrip('/')}/api/webhooks/twilio/{endpoint_id}" if endpoint_id else ""


async def _documents(tx: Tx, notifications: Sequence[Notification], invoices: dict[Ref, Invoice]) -> dict[Ref, str]:
    """Return where the PDFs of receipts lie; one that is not there yet, or shows it unpaid, is left out."""
    found = {}
    for each in notifications:
        invoice = _named(each, each.about.invoice_id, invoices)
        if each.kind is Kind.PAYMENT_SUCCEEDED and each.channel is Channel.EMAIL and invoice is not None:
            with suppress(invoicing.DocumentNotReady):
                found[each.ref] = await invoicing.document_path(tx, invoice=invoice)
    return found


async def _methods(
    tx: Tx, notifications: Sequence[Notification], running: dict[Ref, Subscription]
) -> dict[Ref, PaymentMethod]:
    """Return, by message, what will be charged: the subscription's own method where it can be, else the customer's default."""
    if not notifications:
        return {}
    usual = await payments.default_methods(tx, refs=_refs(notifications, lambda each: each.customer_id))
    own = {
        each.ref: Ref(each.tenant_id, subscription.payment_method_id)
        for each in notifications
        if (subscription := _named(each, each.about.subscription_id, running)) is not None
        and subscription.payment_method_id is not None
    }
    usable = await payments.usable_methods(tx, refs=sorted(set(own.values())))
    found = {each.ref: usual.get(Ref(each.tenant_id, each.customer_id)) for each in notifications}
    found |= {ref: usable[method] for ref, method in own.items() if method in usable}
    return {ref: method for ref, method in found.items() if method is not None}


async def _spoken_of(tx: Tx, notifications: Sequence[Notification]) -> dict[Ref, PaymentMethod]:
    """Return, by message, the method that it is about, as it is now; none of what is there no more."""
    usable = await payments.usable_methods(tx, refs=_refs(notifications, lambda each: each.about.payment_method_id))
    named = {each.ref: _named(each, each.about.payment_method_id, usable) for each in notifications}
    return {ref: method for ref, method in named.items() if method is not None}


def _label(charged: Payment | PaymentMethod | None) -> str:
    """Return what a wallet is called: by its account, or by its kind, where its provider says no more of it."""
    if charged is None:
        return ""
    return charged.label or (brand_name(charged.kind) if isinstance(charged, PaymentMethod) else "")


async def _parents(
    tx: Tx, notifications: Sequence[Notification], running: dict[Ref, Subscription]
) -> dict[Ref, Subscription]:
    """Return what add-ons belong to whose trials end, or that are to change: with it they end."""
    named = {
        each.ref: Ref(each.tenant_id, own.parent_id)
        for each in notifications
        if each.kind in (Kind.TRIAL_ENDING, Kind.CHANGE_PLANNED)
        and (own := _named(each, each.about.subscription_id, running)) is not None
        and own.parent_id is not None
    }
    found = await subscriptions.get(tx, refs=sorted(set(named.values()))) if named else {}
    return {ref: found[parent] for ref, parent in named.items() if parent in found}


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
