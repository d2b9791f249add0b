"""What of payments is given to whoever paid, and what is forgotten with them."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.payments.store.refunds import REASONS
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx
from guilder.platform.db.words import opened

_FORGET = (
    """update payments.methods
          set status = 'removed', sealed_token = ''::bytea, brand = '', last4 = '', exp_month = 1, exp_year = 1970,
              is_default = false, wants_default = false, label = '', fingerprint = '', action_url = '', warn_due_at = null
        where tenant_id = $1 and customer_id = $2""",
    """update payments.payments set description = '', brand = '', last4 = '', label = '', action_url = ''
        where tenant_id = $1 and customer_id = $2""",
    """update payments.refunds
          set reason = '', asked_by = regexp_replace(asked_by, '^user:.*', 'user:erased'),
              decided_by = regexp_replace(decided_by, '^user:.*', 'user:erased')
        where tenant_id = $1 and customer_id = $2
          and (reason <> '' or starts_with(asked_by, 'user:') or starts_with(decided_by, 'user:'))""",
    """update payments.dispute_notes n set text = '', author = ''
         from payments.disputes d
        where d.tenant_id = $1 and d.customer_id = $2 and n.tenant_id = d.tenant_id and n.dispute_id = d.id""",
    """update payments.by_hand h set reference = '', sealed_note = ''::bytea
         from payments.payments p
        where p.tenant_id = $1 and p.customer_id = $2 and h.tenant_id = p.tenant_id and h.payment_id = p.id""",
    # A provider's reference is its own; that of a transfer is what a bank's statement says, which may be a name.
    """update payments.payments set charge_ref = ''
        where tenant_id = $1 and customer_id = $2 and gateway = 'manual' and charge_ref <> ''""",
    """update payments.refunds r set provider_ref = ''
         from payments.by_hand h
        where r.tenant_id = $1 and r.customer_id = $2 and h.tenant_id = r.tenant_id and h.refund_id = r.id
          and r.provider_ref <> ''""",
)
_OPEN = """
    select 'payment_under_way' as what, id from payments.payments
     where tenant_id = $1 and customer_id = $2
       and status in ('requested', 'prepared', 'requires_action', 'unknown', 'canceling')
    union all
    select 'refund_under_way', id from payments.refunds
     where tenant_id = $1 and customer_id = $2 and status in ('asked', 'pending')
    union all
    select 'dispute_open', id from payments.disputes
     where tenant_id = $1 and customer_id = $2 and status in ('inquiry', 'open')
    order by 1, 2"""


async def forget(tx: Tx, customer: Ref) -> None:
    for sql in _FORGET:
        await tx.execute(sql, *customer)


async def open_ones(tx: Tx, customer: Ref) -> list[tuple[str, UUID]]:
    return [(row["what"], row["id"]) for row in await tx.fetch(_OPEN, *customer)]


def methods(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "payment_methods",
        """select id, gateway, kind, status, brand, last4, label, exp_month, exp_year, is_default, created_at
             from payments.methods where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def payments(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "payments",
        """select id, invoice_id, attempt, amount_minor, currency, status, gateway, payment_method_id, description, brand,
                  last4, label, decline_code, requested_at, settled_at
             from payments.payments where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def refunds(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    records = portable(
        tx,
        "refunds",
        """select id, payment_id, invoice_id, amount_minor, currency, status, reason_code, reason, asked_at, settled_at
             from payments.refunds where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
    return opened(tx, records, subject_id=customer_id, column=REASONS)


def disputes(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "disputes",
        """select id, payment_id, invoice_id, amount_minor, currency, reason, status, noticed_at, opened_at, decided_at
             from payments.disputes where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
