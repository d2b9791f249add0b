"""One-off invoices made by staff: charged at once, or sent with days to pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing.model import Draft, Invoice
from guilder.domain.invoicing.rules import by_hand
from guilder.domain.invoicing.rules.by_hand import Item
from guilder.domain.invoicing.service.finalizing import finalize
from guilder.domain.payments.model import Via
from guilder.kernel import ids
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx


class MixedCurrencies(Invalid):
    """An invoice is in one currency."""

    code = "mixed_currencies"


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """An invoice as staff words it."""

    customer_id: CustomerId
    currency: str
    items: Sequence[Item]
    is_sent: bool = True
    net_days: int | None = None  # None: the customer's, or the issuer's
    issuer_id: UUID | None = None
    memo: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


async def make_invoice(tx: Tx, *, wanted: ByHand, now: datetime) -> Invoice:
    """Make an invoice of named items. Discounts are for what is subscribed to and bought: it takes none.

    :raises NotFound: no such customer
    :raises UnknownIssuer: no such issuer
    :raises MixedCurrencies: an item is in another currency than the invoice
    """
    await customers.one(tx, customer_id=wanted.customer_id)
    if any(item.unit_amount.currency != wanted.currency for item in wanted.items):
        raise MixedCurrencies(field="lines")
    draft = Draft(
        tenant_id=tx.tenant_id,
        customer_id=wanted.customer_id,
        currency=wanted.currency,
        lines=by_hand.lines(wanted.items, cause=ids.new(now)),
        issued_at=now,
        issuer_id=wanted.issuer_id,
        is_sent=wanted.is_sent,
        net_days=wanted.net_days,
        takes_discounts=False,
        memo=wanted.memo,
        metadata=wanted.metadata,
    )
    [made] = await finalize(tx, drafts=[draft], via=Via.EITHER, now=now)
    return made
