"""Subscriptions as rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules import renewals
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Period
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

# The columns that change after the insert, with the type that unnest needs, in one place for both statements.
_CHANGING: dict[str, str] = {
    "status": "text",
    "terms": "text",
    "pending_terms": "text",
    "plan_id": "uuid",
    "anchor_at": "timestamptz",
    "period_number": "int",
    "current_period_start": "timestamptz",
    "current_period_end": "timestamptz",
    "trial_ends_at": "timestamptz",
    "payment_method_id": "uuid",
    "cancel_at_period_end": "boolean",
    "canceled_at": "timestamptz",
    "ended_at": "timestamptz",
    "next_due_at": "timestamptz",
    "metadata": "text",
    "pending_at": "timestamptz",
    "full_period_start": "timestamptz",
    "full_period_end": "timestamptz",
    "cancel_at": "timestamptz",
    "pause_at_period_end": "boolean",
    "paused_at": "timestamptz",
    "resume_at": "timestamptz",
    "fee_from": "timestamptz",
    "usage_from": "timestamptz",
    "terms_days": "int",
    "told_at": "timestamptz",
    "renews_at": "timestamptz",
    "renews_yearly": "boolean",
}
_FIXED: dict[str, str] = {
    "tenant_id": "uuid",
    "id": "uuid",
    "customer_id": "uuid",
    "organization_id": "text",
    "currency": "text",
    "time_zone": "text",
    "created_at": "timestamptz",
    "starts_at": "timestamptz",
    "parent_id": "uuid",
    "billed_by": "uuid",
    "provider_ref": "text",
}
_ALL = Columns({**_FIXED, **_CHANGING})
_JSON = {"terms", "pending_terms", "metadata"}


def _cast(column: str) -> str:
    return f"v.{column}::jsonb" if column in _JSON else f"v.{column}"


# A renewal is announced so many days before it, as its tenant has it; never before the period that it ends began.
_REMINDERS = "left join subscriptions.renewal_reminders o on o.tenant_id = v.tenant_id"
_REMIND_AT = """case when v.current_period_start < v.renews_at - r.lead and r.lead > interval '0' then v.renews_at - r.lead end"""
_LEAD = """cross join lateral (select make_interval(hours => 24 * case when v.renews_yearly then coalesce(o.yearly_days, 7)
                                                                    else coalesce(o.days, 0) end) as lead) r"""
_INSERT = (
    f"insert into subscriptions.subscriptions ({_ALL.names}, renewal_reminder_due_at) "
    f"select {', '.join(_cast(column) for column in _ALL.kinds)}, {_REMIND_AT} from {_ALL.table} {_REMINDERS} {_LEAD}"
)
_KEYED = Columns({"tenant_id": "uuid", "id": "uuid", **_CHANGING})
_UPDATE = (
    "update subscriptions.subscriptions s set "
    + ", ".join(f"{column} = {_cast(column)}" for column in _CHANGING)
    + f", renewal_reminder_due_at = case when s.renewal_reminded_for is distinct from v.renews_at then {_REMIND_AT} end"
    + f" from {_KEYED.table} {_REMINDERS} {_LEAD} where s.tenant_id = v.tenant_id and s.id = v.id"
)
_SELECT = """select *, terms::text as terms_json, pending_terms::text as pending_terms_json,
                    metadata::text as metadata_json from subscriptions.subscriptions"""
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_BELONGING = "(tenant_id, parent_id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, subscriptions: Sequence[Subscription]) -> None:
    await tx.send(_INSERT, *_ALL.of([_to_row(each) for each in subscriptions]))


async def save(tx: Tx, subscriptions: Sequence[Subscription]) -> None:
    if subscriptions:
        await tx.execute(_UPDATE, *_KEYED.of([_to_row(each) for each in subscriptions]))


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Subscription]:
    return [_from_row(row) for row in await tx.fetch(f"{_SELECT} where {_NAMED}", *_split(refs))]


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Subscription]:
    rows = await tx.fetch(f"{_SELECT} where {_NAMED} order by tenant_id, id for update", *_split(refs))
    return [_from_row(row) for row in rows]


async def claim_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Subscription]:
    """Lock those of `refs`, of their add-ons, and of what they belong to, that are due and that nobody else is at."""
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, id) in (
                select * from unnest($1::uuid[], $2::uuid[])
                union all
                select a.tenant_id, a.id from subscriptions.subscriptions a
                join unnest($1::uuid[], $2::uuid[]) as p (tenant_id, id)
                    on a.tenant_id = p.tenant_id and a.parent_id = p.id
                union all
                select a.tenant_id, a.parent_id from subscriptions.subscriptions a
                join unnest($1::uuid[], $2::uuid[]) as n (tenant_id, id)
                    on a.tenant_id = n.tenant_id and a.id = n.id
                where a.parent_id is not null)
            and next_due_at <= $3 order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return [_from_row(row) for row in rows]


async def trials_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Subscription]:
    rows = await tx.fetch(
        f"{_SELECT} where {_NAMED} and status = 'trialing' and next_due_at <= $3 order by tenant_id, id",
        *_split(refs),
        now,
    )
    return [_from_row(row) for row in rows]


async def due_among(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> set[Ref]:
    rows = await tx.fetch(
        f"select tenant_id, id from subscriptions.subscriptions where {_NAMED} and next_due_at <= $3",
        *_split(refs),
        now,
    )
    return {Ref(row["tenant_id"], row["id"]) for row in rows}


async def add_ons(tx: Tx, parents: Sequence[Ref]) -> list[Subscription]:
    rows = await tx.fetch(f"{_SELECT} where {_BELONGING} order by tenant_id, id", *_split(parents))
    return [_from_row(row) for row in rows]


async def lock_add_ons(tx: Tx, parents: Sequence[Ref]) -> list[Subscription]:
    """Lock what belongs to `parents` and has not ended."""
    rows = await tx.fetch(
        f"{_SELECT} where {_BELONGING} and ended_at is null order by tenant_id, id for update", *_split(parents)
    )
    return [_from_row(row) for row in rows]


async def of_customer(tx: Tx, customer_id: CustomerId) -> list[Subscription]:
    rows = await tx.fetch(f"{_SELECT} where customer_id = $1 order by id desc limit 1000", customer_id)
    return [_from_row(row) for row in rows]


async def of_customers(tx: Tx, customers: Sequence[Ref]) -> list[Subscription]:
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by tenant_id, id""",
        *_split(customers),
    )
    return [_from_row(row) for row in rows]


async def of_organization(tx: Tx, organization_id: str) -> list[Subscription]:
    rows = await tx.fetch(f"{_SELECT} where organization_id = $1 order by id desc limit 1000", organization_id)
    return [_from_row(row) for row in rows]


async def listing(
    tx: Tx, query: PageQuery, *, customer_id: UUID | None, organization_id: str | None, status: str | None
) -> list[Subscription]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::uuid is null or customer_id = $1) and ($2::text is null or organization_id = $2)
            and ($3::text is null or status = $3) and ($4::uuid is null or id < $4) order by id desc limit $5""",
        customer_id,
        organization_id,
        status,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def plan_trial_reminders(tx: Tx, reminders: Sequence[tuple[Ref, datetime | None]]) -> None:
    await tx.execute(
        """update subscriptions.subscriptions s set trial_reminder_due_at = v.due_at
           from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, id, due_at)
           where s.tenant_id = v.tenant_id and s.id = v.id""",
        *_split([ref for ref, _ in reminders]),
        [due_at for _, due_at in reminders],
    )


async def claim_trial_reminders(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[tuple[Subscription, datetime]]:
    """Lock those of `refs` whose reminder is due, with the instant that it fell due."""
    rows = await tx.fetch(
        f"{_SELECT} where {_NAMED} and trial_reminder_due_at <= $3 order by tenant_id, id for update skip locked",
        *_split(refs),
        now,
    )
    return [(_from_row(row), row["trial_reminder_due_at"]) for row in rows]


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _to_row(each: Subscription) -> dict[str, Any]:
    return {
        "tenant_id": each.tenant_id,
        "id": each.id,
        "customer_id": each.customer_id,
        "organization_id": each.organization_id,
        "currency": each.terms.unit_amount.currency,
        "time_zone": each.time_zone,
        "created_at": each.created_at,
        "status": each.status.value,
        "terms": _json(each.terms),
        "pending_terms": _json(each.pending_terms) if each.pending_terms else None,
        "plan_id": each.terms.plan_id,
        "anchor_at": each.anchor_at,
        "period_number": each.period_number,
        "current_period_start": each.current_period.starts_at,
        "current_period_end": each.current_period.ends_at,
        "trial_ends_at": each.trial_ends_at,
        "payment_method_id": each.payment_method_id,
        "cancel_at_period_end": each.cancel_at_period_end,
        "canceled_at": each.canceled_at,
        "ended_at": each.ended_at,
        "next_due_at": each.next_due_at,
        "metadata": _json(each.metadata),
        "pending_at": each.pending_at,
        "full_period_start": each.full_period.starts_at if each.full_period else None,
        "full_period_end": each.full_period.ends_at if each.full_period else None,
        "cancel_at": each.cancel_at,
        "pause_at_period_end": each.pause_at_period_end,
        "paused_at": each.paused_at,
        "resume_at": each.resume_at,
        "fee_from": each.fee_from,
        "usage_from": each.usage_from,
        "terms_days": each.terms_days,
        "renews_at": renewals.renews_at(each),
        "renews_yearly": renewals.renews_yearly(each),
        "starts_at": each.starts_at,
        "parent_id": each.parent_id,
        "billed_by": each.billed_by,
        "provider_ref": each.provider_ref,
        "told_at": each.told_at,
    }


def _from_row(row: Row) -> Subscription:
    pending = row["pending_terms_json"]
    return Subscription(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        organization_id=row["organization_id"],
        terms=msgspec.json.decode(row["terms_json"], type=Terms),
        status=Status(row["status"]),
        anchor_at=row["anchor_at"],
        time_zone=row["time_zone"],
        period_number=row["period_number"],
        current_period=Period(row["current_period_start"], row["current_period_end"]),
        created_at=row["created_at"],
        trial_ends_at=row["trial_ends_at"],
        payment_method_id=row["payment_method_id"],
        cancel_at_period_end=row["cancel_at_period_end"],
        canceled_at=row["canceled_at"],
        ended_at=row["ended_at"],
        pending_terms=msgspec.json.decode(pending, type=Terms) if pending else None,
        next_due_at=row["next_due_at"],
        metadata=msgspec.json.decode(row["metadata_json"], type=dict[str, str]),
        pending_at=row["pending_at"],
        starts_at=row["starts_at"],
        full_period=Period(row["full_period_start"], row["full_period_end"]) if row["full_period_start"] else None,
        parent_id=row["parent_id"],
        cancel_at=row["cancel_at"],
        pause_at_period_end=row["pause_at_period_end"],
        paused_at=row["paused_at"],
        resume_at=row["resume_at"],
        fee_from=row["fee_from"],
        usage_from=row["usage_from"],
        terms_days=row["terms_days"],
        billed_by=row["billed_by"],
        provider_ref=row["provider_ref"],
        told_at=row["told_at"],
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
