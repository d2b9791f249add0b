"""What the clock asks of invoicing."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def bill_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Bill the periods of these subscriptions that have begun."""
    return await service.bill_due(tx, refs=refs, now=now)


async def bill_segments_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Bill these stretches of use, and fees in arrears, that nothing else is billed with."""
    return await service.bill_segments_due(tx, refs=refs, now=now)


async def expire_prepaid_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """End these prepaid credits, which have expired."""
    return await service.expire_prepaid_due(tx, refs=refs, now=now)


async def tell_overdue(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Announce that these invoices are overdue."""
    return await service.tell_overdue(tx, refs=refs, now=now)


async def tell_due_soon(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Announce that these invoices fall due soon."""
    return await service.tell_due_soon(tx, refs=refs, now=now)


async def expire_credit_requests(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """End the wait of these requests for a second person."""
    return await service.expire_credit_requests(tx, refs=refs, now=now)


async def recognize_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> int:
    """Book these lines as earned, whose periods are over."""
    return await service.recognize_due(tx, refs=refs, now=now)
