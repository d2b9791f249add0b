"""What HTTP says of what should have been billed and was not, or otherwise."""

from datetime import datetime

from guilder.domain.invoicing.rules.expected import Difference, Fault
from guilder.domain.invoicing.schemas.invoices import InvoiceRef, SubscriptionRef
from guilder.platform.http.fields import Out


class DifferenceOut(Out):
    """One thing in which what is owed and what is billed are not the same. Amounts are before discounts.

    `expected` is null where nothing is owed, and of use, which is rated from its readings; `billed` where nothing is.
    """

    fault: Fault
    subscription_id: SubscriptionRef
    billed_item: str
    period_start: datetime
    period_end: datetime
    currency: str | None
    expected: int | None
    billed: int | None
    invoice_id: InvoiceRef | None
    invoice_number: str | None


class DifferencesOut(Out):
    subscription_id: SubscriptionRef
    differences: list[DifferenceOut]


def to_wire(found: Difference) -> DifferenceOut:
    money = found.expected or found.billed
    return DifferenceOut(
        fault=found.fault,
        subscription_id=found.subscription.id,
        billed_item=found.billed_item,
        period_start=found.period.starts_at,
        period_end=found.period.ends_at,
        currency=money.currency if money else None,
        expected=found.expected.minor if found.expected else None,
        billed=found.billed.minor if found.billed else None,
        invoice_id=found.invoice_id,
        invoice_number=found.invoice_number or None,
    )
