"""What orders hears: how the invoices stand that were made for them, and the subscriptions that they would change."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from guilder.domain.invoicing.events import InvoiceGivenUp, InvoicePaid, InvoiceVoided
from guilder.domain.orders import service
from guilder.domain.orders.events import ChargeRequested
from guilder.domain.orders.model import Charge
from guilder.domain.orders.schemas.charges import ChargeIn
from guilder.domain.payments.events import PaymentFailed
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.kernel.errors import Invalid, Malformed
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.http.parsing import parse


async def on_invoice_paid(tx: Tx, messages: Sequence[Message[InvoicePaid]], *, now: datetime) -> None:
    paid = {Ref(each.tenant_id, each.invoice_id): each.paid_at for each in events_of(messages)}
    await service.paid(tx, invoices=paid, now=now)


async def on_invoice_voided(tx: Tx, messages: Sequence[Message[InvoiceVoided]], *, now: datetime) -> None:
    voided = [Ref(each.tenant_id, each.invoice_id) for each in events_of(messages)]
    await service.canceled(tx, invoices=voided, now=now)


async def on_invoice_given_up(tx: Tx, messages: Sequence[Message[InvoiceGivenUp]], *, now: datetime) -> None:
    """Tell the products that asked: it is written off."""
    given_up = [Ref(each.tenant_id, each.invoice_id) for each in events_of(messages)]
    await service.give_up_charges(tx, invoices=given_up, now=now)


async def on_subscription_stopped(tx: Tx, messages: Sequence[Message[SubscriptionEvent]], *, now: datetime) -> None:
    """It has ended, was paused or suspended."""
    refs = sorted({Ref(each.tenant_id, each.subscription_id) for each in events_of(messages)})
    await service.stopped(tx, refs=refs, now=now)


async def on_charge_requested(tx: Tx, messages: Sequence[Message[ChargeRequested]], *, now: datetime) -> None:
    refs = [Ref(each.tenant_id, each.charge_id) for each in events_of(messages)]
    await service.place_charges(tx, refs=refs, now=now)


async def take_published(tx: Tx, *, bodies: Sequence[bytes], now: datetime) -> list[str | None]:
    """Take in charges that a product of the tenant published, as CloudEvents; say of each why not, or None.

    :raises ChargeIdReused: by one of those that can be read
    """
    read = [_charge_in(tx, body, now=now) for body in bodies]
    await service.take_charges(tx, charges=[each for each in read if isinstance(each, Charge)], now=now)
    return [each if isinstance(each, str) else None for each in read]


async def on_payment_failed(tx: Tx, messages: Sequence[Message[PaymentFailed]], *, now: datetime) -> None:
    """Tell the products that asked."""
    failed = {Ref(each.tenant_id, each.invoice_id): each.decline_code for each in events_of(messages)}
    await service.charge_declined(tx, invoices=failed, now=now)


def _charge_in(tx: Tx, body: bytes, *, now: datetime) -> Charge | str:
    """Read a charge as the API reads it; or say why it cannot be read, and never what it said."""
    try:
        return ChargeIn.model_validate(parse(body)).to_model(tx.tenant_id, now=now)
    except (Malformed, Invalid) as refusal:
        return refusal.code if refusal.field is None else f"{refusal.code}: {refusal.field}"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{first['type']}: {'.'.join(map(str, first['loc']))}"
