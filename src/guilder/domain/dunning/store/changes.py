"""Rows of the histories of cases: written once, in the order in which things happened."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning.model import Change, ChangeKind, Status
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

# What people say why, and not a decline's code.
BY_PEOPLE = frozenset(
    {ChangeKind.PAUSED, ChangeKind.RESUMED, ChangeKind.CLOSED, ChangeKind.GIVEN_UP, ChangeKind.FORGIVEN}
)
REASONS = Column(
    "dunning.changes",
    "reason",
    "(select c.customer_id from dunning.cases c where c.tenant_id = t.tenant_id and c.id = t.case_id)",
    where="t.change in ('paused', 'resumed', 'closed', 'given_up', 'forgiven')",
)


async def insert_changes(tx: Tx, changes: Sequence[Change], *, now: datetime) -> None:
    """Write what happened, in this order, as the act of the transaction's actor.

    The cases have to be held: numbers go on from the last one.
    """
    reasons = await _sealed(tx, changes, now)
    await tx.execute(
        """insert into dunning.changes (tenant_id, case_id, n, at, change, from_status, to_status, reason, actor,
                                        payment_id, next_retry_at)
           select v.tenant_id, v.case_id,
                  coalesce((select max(c.n) from dunning.changes c
                             where c.tenant_id = v.tenant_id and c.case_id = v.case_id), 0)
                  + row_number() over (partition by v.tenant_id, v.case_id order by v.place),
                  $9, v.change, v.from_status, v.to_status, v.reason, $10, v.payment_id, v.next_retry_at
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                         $8::timestamptz[]) with ordinality
                  as v (tenant_id, case_id, change, from_status, to_status, reason, payment_id, next_retry_at, place)""",
        [each.tenant_id for each in changes],
        [each.case_id for each in changes],
        [each.change.value for each in changes],
        [each.from_status.value if each.from_status else None for each in changes],
        [each.to_status.value for each in changes],
        reasons,
        [each.payment_id for each in changes],
        [each.next_retry_at for each in changes],
        now,
        tx.actor,
    )


async def changes_of(tx: Tx, case_id: UUID, *, limit: int) -> list[Change]:
    """Return a case's history, the latest `limit` of it, the oldest first."""
    rows = await tx.fetch(
        "select * from dunning.changes where tenant_id = $1 and case_id = $2 order by n desc limit $3",
        tx.tenant_id,
        case_id,
        limit,
    )
    customer_id = await tx.fetchval(
        "select customer_id from dunning.cases where tenant_id = $1 and id = $2", tx.tenant_id, case_id
    )
    reasons = await open_words(tx, [Words(tx.tenant_id, customer_id, REASONS.field, row["reason"]) for row in rows])
    return [_change(row, reason) for row, reason in reversed(list(zip(rows, reasons, strict=True)))]


async def _sealed(tx: Tx, changes: Sequence[Change], now: datetime) -> list[str]:
    """Return the reasons as they are kept: a decline code as it is, what a person wrote sealed for the customer."""
    if not any(each.reason and each.change in BY_PEOPLE for each in changes):
        return [each.reason for each in changes]
    rows = await tx.fetch(
        "select tenant_id, id, customer_id from dunning.cases where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))",
        [each.tenant_id for each in changes],
        [each.case_id for each in changes],
    )
    customers = {(row["tenant_id"], row["id"]): row["customer_id"] for row in rows}
    words = [
        Words(each.tenant_id, customers[each.tenant_id, each.case_id], REASONS.field, each.reason)
        for each in changes
        if each.change in BY_PEOPLE
    ]
    sealed = iter(await seal_words(tx, words, now=now))
    return [next(sealed) if each.change in BY_PEOPLE else each.reason for each in changes]


def _change(row: Row, reason: str) -> Change:
    return Change(
        tenant_id=TenantId(row["tenant_id"]),
        case_id=row["case_id"],
        change=ChangeKind(row["change"]),
        from_status=Status(row["from_status"]) if row["from_status"] else None,
        to_status=Status(row["to_status"]),
        reason=reason,
        payment_id=row["payment_id"],
        next_retry_at=row["next_retry_at"],
        n=row["n"],
        at=row["at"],
        actor=row["actor"],
    )
