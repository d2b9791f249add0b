"""The SQL of what staff recorded by hand; their notes lie sealed under the customer's key."""

from datetime import datetime
from uuid import UUID

from guilder.domain.payments.model import Payment, Receipt
from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealing

_NOTE = "payments.by_hand.sealed_note"


async def insert(
    tx: Tx, payment: Payment, receipt: Receipt, *, refund_id: UUID | None = None, recorded_by: str, now: datetime
) -> None:
    await tx.execute(
        """insert into payments.by_hand
               (tenant_id, id, payment_id, refund_id, reference, sealed_note, happened_at, recorded_at, recorded_by)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        payment.tenant_id,
        ids.new(now),
        payment.id,
        refund_id,
        receipt.reference,
        await _seal(tx, payment, receipt.note, now=now),
        receipt.happened_at,
        now,
        recorded_by,
    )


async def recorded(tx: Tx, invoice: Ref, *, reference: str) -> Ref | None:
    """Return the payment of this invoice that was recorded with this reference."""
    row = await tx.fetchrow(
        """select tenant_id, id from payments.payments where tenant_id = $1 and invoice_id = $2 and charge_ref = $3
           and gateway = 'manual'""",
        invoice.tenant_id,
        invoice.id,
        reference,
    )
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def _seal(tx: Tx, payment: Payment, note: str, *, now: datetime) -> bytes:
    if not note:
        return b""
    [sealed] = await tx.vault.seal_where_kept(
        tx, [Sealing(payment.tenant_id, payment.customer_id, _NOTE, note)], now=now
    )
    return sealed
