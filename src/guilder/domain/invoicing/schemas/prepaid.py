"""Prepaid credits on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.invoicing.model import PrepaidGrant
from guilder.domain.invoicing.schemas.credit import CreditAmount
from guilder.domain.invoicing.schemas.invoices import CustomerRef, InvoiceRef
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Instant, Out

PRIORITY_MAX = 1_000
NAME_MAX = 200

PrepaidRef = Annotated[UUID, IdOf("ppc")]


class PrepaidIn(In):
    """`amount` in minor units of `currency`. The lowest `priority` is drawn first; then what expires first."""

    amount: CreditAmount
    currency: CurrencyCode
    name: Annotated[str, Field(strict=True, max_length=NAME_MAX)] = ""
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = 0
    expires_at: Instant | None = None
    paid: bool = False


class PrepaidOut(Out):
    """`left` can be drawn while `is_usable`: what is bought from when it is paid, until it expires or is taken back."""

    id: PrepaidRef
    customer_id: CustomerRef
    name: str
    currency: str
    amount: int
    left: int
    priority: int
    is_paid: bool
    is_usable: bool
    invoice_id: InvoiceRef | None
    granted_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


def to_wire(grant: PrepaidGrant, *, is_usable: bool | None = None) -> PrepaidOut:
    return PrepaidOut(
        id=grant.id,
        customer_id=grant.customer_id,
        name=grant.name,
        currency=grant.amount.currency,
        amount=grant.amount.minor,
        left=grant.left.minor,
        priority=grant.priority,
        is_paid=grant.is_paid,
        is_usable=grant.is_usable if is_usable is None else is_usable,
        invoice_id=grant.invoice_id,
        granted_at=grant.granted_at,
        expires_at=grant.expires_at,
        ended_at=grant.ended_at,
    )
