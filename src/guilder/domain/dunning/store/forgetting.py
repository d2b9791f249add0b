"""What of dunning is given to its customer, and what is forgotten with it."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.dunning.store.changes import REASONS
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx
from guilder.platform.db.words import opened


async def forget(tx: Tx, customer: Ref) -> None:
    # A decline code stays: it says nothing of anybody. What a person wrote goes.
    await tx.execute(
        """update dunning.changes h set reason = ''
             from dunning.cases c
            where c.tenant_id = $1 and c.customer_id = $2 and h.tenant_id = c.tenant_id and h.case_id = c.id
              and h.change in ('paused', 'resumed', 'closed', 'given_up', 'forgiven') and h.reason <> ''""",
        *customer,
    )


async def open_cases(tx: Tx, customer: Ref) -> list[UUID]:
    rows = await tx.fetch(
        "select id from dunning.cases where tenant_id = $1 and customer_id = $2 and closed_at is null order by id",
        *customer,
    )
    return [row["id"] for row in rows]


def cases(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "dunning_cases",
        """select id, invoice_id, subscription_id, status, retries_made, reminders_sent, first_failed_at, last_failed_at,
                  last_decline_code, opened_at, is_blocking, closed_at
             from dunning.cases where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def changes(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    records = portable(
        tx,
        "dunning_history",
        """select h.case_id, h.n, h.at, h.change, h.from_status, h.to_status, h.reason, h.payment_id
             from dunning.changes h join dunning.cases c on c.tenant_id = h.tenant_id and c.id = h.case_id
            where c.tenant_id = $1 and c.customer_id = $2 order by h.case_id, h.n""",
        tx.tenant_id,
        customer_id,
    )
    return opened(tx, records, subject_id=customer_id, column=REASONS)
