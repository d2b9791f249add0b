"""Disputes: whether one shuts its customer out is for the tenant to say, and what is shut for one a person may open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.entitlements import store
from guilder.domain.entitlements.model import Lifting, NewBlock, Settings
from guilder.domain.entitlements.service.keeping import block, unblock
from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Dispute
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx

DISPUTED = "disputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidAnew:
    """A payment that came in, as `paid_anew` is told of it."""

    customer_ref: Ref
    payment_id: UUID
    amount: Money
    settled_at: datetime


class BlockedForDebt(Conflict):
    """What is owed shuts this customer out: it ends with being paid, or by forgiving it in dunning."""

    code = "blocked_for_debt"


async def settings(tx: Tx) -> Settings:
    return (await store.settings(tx, [tx.tenant_id])).get(tx.tenant_id) or Settings(tenant_id=tx.tenant_id)


async def set_settings(tx: Tx, *, settings: Settings, now: datetime) -> Settings:
    """Set what holds from now on. What is blocked stays blocked."""
    await store.save_settings(tx, settings, now=now)
    return settings


async def dispute_opened(tx: Tx, *, blocks: Sequence[NewBlock], now: datetime) -> None:
    """Shut customers out whose payment is disputed, where their tenant did not say otherwise."""
    said = await store.settings(tx, sorted({each.tenant_id for each in blocks}))
    blocking = [each for each in blocks if each.tenant_id not in said or said[each.tenant_id].blocks_on_dispute]
    if blocking:
        await block(tx, blocks=blocking, now=now)


async def readmit(tx: Tx, *, customer_id: CustomerId, cause_id: UUID, now: datetime) -> None:
    """Let a customer in again in spite of a dispute that is open or lost.

    :raises NotFound: this shuts nobody out
    :raises BlockedForDebt: it is owed for, and not disputed
    """
    found = await store.block_of(tx, cause_id)
    if found is None or found.customer_id != customer_id:
        raise NotFound("there is no such block")
    if found.reason != DISPUTED:
        raise BlockedForDebt
    lifting = Lifting(tenant_id=found.tenant_id, customer_id=found.customer_id, cause_id=cause_id, lifted_at=now)
    await unblock(tx, liftings=[lifting], now=now)


async def paid_anew(tx: Tx, *, payments_made: Sequence[PaidAnew], now: datetime) -> None:
    """Let customers in again whose dispute was lost and who have paid at least as much since, for whatever it was."""
    shut = await store.disputed_blocks(tx, sorted({each.customer_ref for each in payments_made}), reason=DISPUTED)
    found = await payments.get_disputes(tx, refs=[cause for _, cause in shut]) if shut else {}
    liftings = [
        Lifting(tenant_id=lost.tenant_id, customer_id=lost.customer_id, cause_id=lost.id, lifted_at=each.settled_at)
        for lost in found.values()
        for each in payments_made
        if _makes_good(each, lost)
    ]
    if liftings:
        await unblock(tx, liftings=liftings, now=now)


def _makes_good(paid: PaidAnew, lost: Dispute) -> bool:
    return (
        lost.decided_at is not None
        and lost.status is DisputeStatus.LOST
        and paid.customer_ref == Ref(lost.tenant_id, lost.customer_id)
        and paid.payment_id != lost.payment_id
        and paid.settled_at >= lost.decided_at
        and paid.amount.currency == lost.amount.currency
        and paid.amount.minor >= lost.amount.minor
    )
