"""Rows of cases and of the failures that they count."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.dunning.model import Case, Failure, Status
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_CHANGING: dict[str, str] = {
    "status": "text",
    "retries_made": "int",
    "last_failed_at": "timestamptz",
    "last_decline_code": "text",
    "next_retry_at": "timestamptz",
    "next_reminder_at": "timestamptz",
    "block_at": "timestamptz",
    "reminders_sent": "int",
    "is_blocking": "boolean",
    "closed_at": "timestamptz",
    "is_hard": "boolean",
    "paused_from": "text",
    "paused_until": "timestamptz",
}
_FIXED: dict[str, str] = {
    "tenant_id": "uuid",
    "id": "uuid",
    "customer_id": "uuid",
    "invoice_id": "uuid",
    "subscription_id": "uuid",
    "subscription_ids": "text",  # as text: an array of arrays would have to be a rectangle
    "is_sent": "boolean",
    "first_failed_at": "timestamptz",
    "opened_at": "timestamptz",
    "plan_id": "uuid",
}
_ALL = Columns({**_FIXED, **_CHANGING})
_KEYED = Columns({"tenant_id": "uuid", "id": "uuid", **_CHANGING})


_INSERT = (
    f"insert into dunning.cases ({_ALL.names}) "
    f"select {', '.join('v.subscription_ids::uuid[]' if each == 'subscription_ids' else f'v.{each}' for each in _ALL.kinds)} "
    f"from {_ALL.table}"
)
_UPDATE = (
    f"update dunning.cases c set {', '.join(f'{column} = v.{column}' for column in _CHANGING)} "
    f"from {_KEYED.table} where c.tenant_id = v.tenant_id and c.id = v.id"
)
_SELECT = "select * from dunning.cases"
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_BY_INVOICE = "(tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_LIVE = "status in ('open', 'exhausted', 'paused')"
_IN_ORDER = "order by tenant_id, id for update"


async def known_failures(tx: Tx, payments: Sequence[Ref]) -> set[Ref]:
    """Return those payments whose failure has counted already."""
    rows = await tx.fetch(
        """select tenant_id, payment_id from dunning.failures
           where (tenant_id, payment_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *_split(payments),
    )
    return {Ref(TenantId(row["tenant_id"]), row["payment_id"]) for row in rows}


async def insert_failures(tx: Tx, failures: Sequence[tuple[Failure, UUID]]) -> None:
    """Count failures, each for its case."""
    await tx.execute(
        """insert into dunning.failures (tenant_id, payment_id, case_id, failed_at, decline_code, is_hard)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::boolean[])""",
        [failure.tenant_id for failure, _ in failures],
        [failure.payment_id for failure, _ in failures],
        [case_id for _, case_id in failures],
        [failure.failed_at for failure, _ in failures],
        [failure.decline_code for failure, _ in failures],
        [failure.is_hard for failure, _ in failures],
    )


async def insert(tx: Tx, cases: Sequence[Case]) -> None:
    if cases:
        await tx.execute(_INSERT, *_sent(cases, _ALL))


async def save(tx: Tx, cases: Sequence[Case]) -> None:
    if cases:
        await tx.execute(_UPDATE, *_sent(cases, _KEYED))


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Case]:
    return [_case(row) for row in await tx.fetch(f"{_SELECT} where {_NAMED}", *_split(refs))]


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Case]:
    return [_case(row) for row in await tx.fetch(f"{_SELECT} where {_NAMED} {_IN_ORDER}", *_split(refs))]


async def lock_by_invoice(tx: Tx, invoices: Sequence[Ref]) -> list[Case]:
    return [_case(row) for row in await tx.fetch(f"{_SELECT} where {_BY_INVOICE} {_IN_ORDER}", *_split(invoices))]


async def with_case(tx: Tx, invoices: Sequence[Ref]) -> set[Ref]:
    """Return those of these invoices that have, or had, a case."""
    rows = await tx.fetch(f"select tenant_id, invoice_id from dunning.cases where {_BY_INVOICE}", *_split(invoices))
    return {Ref(TenantId(row["tenant_id"]), row["invoice_id"]) for row in rows}


async def lock_live_of(tx: Tx, customers: Sequence[Ref]) -> list[Case]:
    """Lock the cases of these customers that are not ended."""
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[])) and {_LIVE}
            {_IN_ORDER}""",
        *_split(customers),
    )
    return [_case(row) for row in rows]


async def subscriptions_behind(tx: Tx, subscriptions: Sequence[Ref]) -> set[Ref]:
    """Return those of these subscriptions that still have a case which is not ended."""
    rows = await tx.fetch(
        f"""select tenant_id, subscription_id from dunning.cases
             where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[])) and {_LIVE}
            union
            select c.tenant_id, v.subscription_id from unnest($1::uuid[], $2::uuid[]) as v (tenant_id, subscription_id)
              join dunning.cases c on c.tenant_id = v.tenant_id and c.subscription_ids @> array[v.subscription_id]
             where c.{_LIVE}""",
        *_split(subscriptions),
    )
    return {Ref(TenantId(row["tenant_id"]), row["subscription_id"]) for row in rows}


async def claim_due(tx: Tx, refs: Sequence[Ref], *, column: str, now: datetime) -> list[Case]:
    """Lock those of `refs` for which this instant has come, and that nobody else is at."""
    assert column in {"next_retry_at", "next_reminder_at", "block_at", "paused_until"}, column
    moving = "" if column == "paused_until" else "and status <> 'paused'"
    rows = await tx.fetch(
        f"{_SELECT} where {_NAMED} and {column} <= $3 {moving} {_IN_ORDER} skip locked", *_split(refs), now
    )
    return [_case(row) for row in rows]


async def listing(tx: Tx, query: PageQuery, *, customer_id: UUID | None, status: Status | None) -> list[Case]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::uuid is null or customer_id = $1) and ($2::text is null or status = $2)
            and ($3::uuid is null or id < $3) order by id desc limit $4""",
        customer_id,
        status.value if status else None,
        query.after,
        query.limit + 1,
    )
    return [_case(row) for row in rows]


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _sent(cases: Sequence[Case], columns: Columns) -> list[list[Any]]:
    return columns.sent(*([_plain(getattr(case, column)) for case in cases] for column in columns.kinds))


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return f"{{{','.join(str(each) for each in value)}}}"
    return value.value if isinstance(value, Status) else value


def _case(row: Row) -> Case:
    return Case(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        invoice_id=row["invoice_id"],
        subscription_id=row["subscription_id"],
        status=Status(row["status"]),
        retries_made=row["retries_made"],
        first_failed_at=row["first_failed_at"],
        last_failed_at=row["last_failed_at"],
        last_decline_code=row["last_decline_code"],
        opened_at=row["opened_at"],
        next_retry_at=row["next_retry_at"],
        next_reminder_at=row["next_reminder_at"],
        block_at=row["block_at"],
        reminders_sent=row["reminders_sent"],
        is_blocking=row["is_blocking"],
        closed_at=row["closed_at"],
        is_sent=row["is_sent"],
        subscription_ids=_concerned(row),
        plan_id=row["plan_id"],
        is_hard=row["is_hard"],
        paused_from=Status(row["paused_from"]) if row["paused_from"] else None,
        paused_until=row["paused_until"],
    )


def _concerned(row: Row) -> tuple[UUID, ...]:
    own = {row["subscription_id"]} if row["subscription_id"] else set()
    return tuple(sorted(own | set(row["subscription_ids"])))
