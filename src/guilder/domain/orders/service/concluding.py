"""Concluding: what became of charges is told to the products that asked for them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from guilder.domain.orders.events import ChargeEvent, ChargeFailed, ChargeSettled
from guilder.domain.orders.model import Charge, ChargeStatus, Order, OrderKind
from guilder.domain.orders.store import charges as rows
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

E = TypeVar("E", bound=ChargeEvent)
GIVEN_UP = "given_up"


async def settle_charges(tx: Tx, *, orders: Sequence[Order], now: datetime) -> None:
    """Tell of those of these orders that were asked for by products: they are paid, if only after they were given up."""
    settled = [
        replace(each, status=ChargeStatus.SETTLED, reason="", decided_at=now)
        for each in await _charges_of(tx, orders)
        if each.status in (ChargeStatus.PLACED, ChargeStatus.FAILED)
    ]
    await rows.save(tx, settled)
    outbox.announce(tx, [told(ChargeSettled, each) for each in settled], now=now)


async def fail_charges(tx: Tx, *, orders: Sequence[Order], now: datetime) -> None:
    """Tell of those of these orders that were asked for by products: nothing is collected for them any more."""
    await _fail(tx, await _charges_of(tx, orders), now=now)


async def give_up_charges(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """Tell of the charges that these invoices are for, and that are written off: nothing is collected for them any more,
    though they can still be paid."""
    await _fail(tx, await rows.lock_by_invoice(tx, sorted(set(invoices))), now=now)


async def _fail(tx: Tx, charges: Sequence[Charge], *, now: datetime) -> None:
    failed = [
        replace(each, status=ChargeStatus.FAILED, reason=each.reason or GIVEN_UP, decided_at=now)
        for each in charges
        if each.status is ChargeStatus.PLACED
    ]
    await rows.save(tx, failed)
    outbox.announce(tx, [told(ChargeFailed, each, reason=each.reason, is_final=True) for each in failed], now=now)


async def charge_declined(tx: Tx, *, invoices: Mapping[Ref, str], now: datetime) -> None:
    """Tell products that a try to collect their charge failed, with the provider's code; it may be tried again."""
    concerned = [
        replace(each, reason=invoices[Ref(each.tenant_id, each.invoice_id)])
        for each in await rows.lock_by_invoice(tx, sorted(invoices))
        if each.status is ChargeStatus.PLACED and each.invoice_id is not None
    ]
    await rows.save(tx, concerned)
    outbox.announce(tx, [told(ChargeFailed, each, reason=each.reason, is_final=False) for each in concerned], now=now)


def told(kind: Callable[..., E], charge: Charge, **more: Any) -> E:
    """Tell of a charge that is an order."""
    assert charge.customer_id is not None, charge.ref
    assert charge.order_id is not None, charge.ref
    return kind(
        tenant_id=charge.tenant_id,
        charge_id=charge.id,
        customer_id=charge.customer_id,
        source=charge.source,
        source_id=charge.source_id,
        order_id=charge.order_id,
        invoice_id=charge.invoice_id,
        **more,
    )


async def _charges_of(tx: Tx, orders: Sequence[Order]) -> list[Charge]:
    asked = [order.ref for order in orders if order.kind is OrderKind.CHARGE]
    return await rows.lock_by_order(tx, sorted(asked)) if asked else []
