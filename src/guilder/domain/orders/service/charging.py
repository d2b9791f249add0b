"""Charging: what company products ask for, taken once by the id that they gave it, and carried out by the workers."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

import msgspec

from guilder.domain.customers import service as customers
from guilder.domain.orders.events import ChargeAccepted, ChargeRefused, ChargeRequested
from guilder.domain.orders.model import Answer, Charge, ChargeStatus, OrderKind, Taken
from guilder.domain.orders.service.buying import buy, pay
from guilder.domain.orders.service.checkout import payment_link
from guilder.domain.orders.service.concluding import settle_charges, told
from guilder.domain.orders.service.placing import Asked
from guilder.domain.orders.store import charges as rows
from guilder.domain.orders.store.forgetting import forget
from guilder.domain.payments import service as payments
from guilder.kernel.errors import Invalid, NotFound, Refusal
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class ChargeIdReused(Invalid):
    """This source has used this id for another charge: an id names one charge for ever."""

    code = "charge_id_reused"


async def take_charges(tx: Tx, *, charges: Sequence[Charge], now: datetime) -> list[Taken]:
    """Take in what products of the tenant ask to be charged; nothing else happens here. In the order of `charges`.

    What was asked before under the same (source, id) is the same charge, however long ago that was.

    :raises ChargeIdReused: something else was asked under that id, or is in this very batch; names the item's place
    """
    digests = {each.id: _digest(each) for each in charges}
    new = await rows.insert(tx, charges, digests)
    known = await rows.by_source(tx, charges)
    taken: list[Taken] = []
    for place, each in enumerate(charges):
        found, digest = known[each.source, each.source_id]
        if digest != digests[each.id]:
            raise ChargeIdReused(field=f"[{place}].id" if len(charges) > 1 else "id")
        taken.append(Taken(charge=found, is_duplicate=found.id != each.id))
    requested = [each for each in charges if each.id in new]
    outbox.announce(tx, [_requested(each) for each in requested], now=now)
    return taken


async def place_charges(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Make each of these charges an order, and have it collected: with the method named, else the customer's default,
    else by link. What cannot be charged is refused; that stops no other."""
    for waiting in await rows.lock_received(tx, refs):
        try:
            answer = await _place(tx, waiting, now=now)
        except Refusal as refusal:
            # Verbs refuse before they write: there is nothing to take back.
            await _refuse(tx, waiting, refusal, now=now)
            continue
        assert answer.order is not None, waiting.ref
        placed = replace(
            waiting,
            status=ChargeStatus.PLACED,
            customer_id=answer.order.customer_id,
            order_id=answer.order.id,
            invoice_id=answer.order.invoice_id,
        )
        await rows.save(tx, [placed])
        outbox.announce(tx, [told(ChargeAccepted, placed)], now=now)
        # What costs nothing, or credit has paid, is complete as it is placed: nobody tells of that again.
        await settle_charges(tx, orders=[answer.order] if answer.order.completed_at else [], now=now)


async def charge(tx: Tx, *, charge_id: UUID) -> Charge:
    """Return a charge.

    :raises NotFound: no such charge
    """
    found = await rows.get(tx, Ref(tx.tenant_id, charge_id))
    if found is None:
        raise NotFound("there is no such charge")
    return found


async def charge_link(tx: Tx, *, charge: Charge, base_url: str, now: datetime) -> str | None:
    """Return where a charge that waits for its customer can be paid."""
    if charge.status is not ChargeStatus.PLACED or charge.invoice_id is None:
        return None
    return await payment_link(tx, tenant_id=charge.tenant_id, invoice_id=charge.invoice_id, base_url=base_url, now=now)


async def charges(
    tx: Tx, *, query: PageQuery, source: str | None = None, status: ChargeStatus | None = None
) -> Page[Charge]:
    """List charges, newest first."""
    found = await rows.listing(tx, query, source=source, status=status)
    return page_of(found, query, lambda each: each.id)


async def _place(tx: Tx, waiting: Charge, *, now: datetime) -> Answer:
    customer = await customers.find(tx, text=waiting.customer)
    method_id = waiting.payment_method_id
    if method_id is None:
        defaults = await payments.default_methods(tx, refs=[Ref(customer.tenant_id, customer.id)])
        default = defaults.get(Ref(customer.tenant_id, customer.id))
        method_id = default.id if default else None
    # Links are made when they are asked for: an event is no place for one.
    asked = Asked(base_url="", metadata=waiting.metadata)
    if waiting.amount is None:
        return await buy(
            tx,
            customer=waiting.customer,
            product=waiting.product,
            payment_method_id=method_id,
            asked=asked,
            kind=OrderKind.CHARGE,
            now=now,
        )
    return await pay(
        tx,
        customer=waiting.customer,
        amount=waiting.amount,
        description=waiting.description,
        payment_method_id=method_id,
        asked=asked,
        kind=OrderKind.CHARGE,
        now=now,
    )


async def _refuse(tx: Tx, waiting: Charge, refusal: Refusal, *, now: datetime) -> None:
    refused = replace(waiting, status=ChargeStatus.REFUSED, reason=refusal.code, decided_at=now)
    await rows.save(tx, [refused])
    if isinstance(refusal, customers.CustomerIsErased):  # what comes late names somebody of whom nothing is kept
        gone = await customers.find(tx, text=waiting.customer)
        await forget(tx, customers.ref_of(gone), alias=gone.organization_id, name=waiting.customer)
    event = ChargeRefused(
        tenant_id=refused.tenant_id,
        charge_id=refused.id,
        asker_key=_asker(refused),
        source=refused.source,
        source_id=refused.source_id,
        reason=refusal.code,
    )
    outbox.announce(tx, [event], now=now)


def _requested(charge: Charge) -> ChargeRequested:
    return ChargeRequested(
        tenant_id=charge.tenant_id,
        charge_id=charge.id,
        asker_key=_asker(charge),
        source=charge.source,
        source_id=charge.source_id,
    )


def _asker(charge: Charge) -> UUID:
    return uuid5(charge.tenant_id, f"{charge.source}\n{charge.customer}")


def _digest(charge: Charge) -> str:
    asked = [
        charge.customer,
        charge.product,
        [charge.amount.minor, charge.amount.currency] if charge.amount else None,
        charge.description,
        str(charge.payment_method_id or ""),
        sorted(charge.metadata.items()),
    ]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
