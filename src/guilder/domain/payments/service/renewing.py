"""Renewing: what providers say by themselves of the methods that they keep. A bank renews its cards without its customers."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways.model import CardDetails
from guilder.domain.gateways.rules.discretion import token_digest
from guilder.domain.payments.model import MethodStatus, MethodTold, PaymentMethod
from guilder.domain.payments.rules import ordering
from guilder.domain.payments.service import telling, validating
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def follow_providers(tx: Tx, *, told: Sequence[MethodTold], now: datetime) -> None:
    """Show cards as their banks renewed them, and charge no more what its provider has no more.

    A method is known by its token, so only one that can be charged is: what was removed, erased, or is still being
    validated has none, and what its provider says of it is left aside. What is older than what was told before, too.
    """
    locked = {each.ref: each for each in await method_rows.lock_of(tx, [each.customer_ref for each in told])}
    tokens = await method_rows.tokens(tx, [ref for ref, each in locked.items() if each.status is MethodStatus.VALID])
    named = {
        (locked[ref].customer_ref, token_digest(locked[ref].account_id, token)): ref for ref, token in tokens.items()
    }
    for each in told:
        ref = named.get((each.customer_ref, each.token_digest))
        found = locked[ref] if ref is not None else None
        if found is None or found.status is not MethodStatus.VALID:
            continue
        others = validating.beside(found, locked)
        if each.card is None:
            changed = await validating.lose(tx, found, others, code=validating.DETACHED, now=now)
        elif found.told_at is None or found.told_at <= each.at:
            changed = await _renew(tx, found, each.card, others, told_at=each.at, now=now)
        else:
            continue
        locked |= {method.ref: method for method in changed}


async def _renew(
    tx: Tx,
    found: PaymentMethod,
    card: CardDetails,
    others: Sequence[PaymentMethod],
    *,
    told_at: datetime,
    now: datetime,
) -> list[PaymentMethod]:
    """Show a method as the card that it is now. What was saved of that card before gives its place to it."""
    if ordering.is_shown_as(found, card):
        seen = replace(found, told_at=told_at)
        await method_rows.save(tx, seen)
        return [seen]
    renewed = replace(validating.shown(found, card, now=now), told_at=told_at)
    twin = ordering.twin_of(others, card, account_id=renewed.account_id)
    changed: list[PaymentMethod] = []
    if twin is not None:
        changed.append(await validating.supersede(tx, twin, by=renewed, now=now))
        place = min(found.position, twin.position)
        renewed = replace(renewed, position=place, is_default=found.is_default or twin.is_default)
    await method_rows.save(tx, renewed)
    outbox.announce(tx, [telling.updated(renewed)], now=now)
    if twin is not None and twin.is_default:
        outbox.announce(tx, [telling.default_changed(renewed)], now=now)
    return [*changed, renewed]
