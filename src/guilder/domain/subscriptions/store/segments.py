"""Segments as rows: what is billed when it is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.subscriptions.model import Segment, SegmentKind, Terms
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.period import Period
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_SELECT = "select *, terms::text as terms_json from subscriptions.segments"
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_OF_SUBSCRIPTIONS = "(tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[]))"


_SEGMENT = Columns(
    {
        "tenant_id": "uuid",
        "id": "uuid",
        "subscription_id": "uuid",
        "customer_id": "uuid",
        "kind": "text",
        "period_start": "timestamptz",
        "period_end": "timestamptz",
        "full_period_start": "timestamptz",
        "full_period_end": "timestamptz",
        "terms": "text",
        "due_at": "timestamptz",
        "closes_period": "boolean",
    }
)
_INSERT = f"""insert into subscriptions.segments ({_SEGMENT.names})
    select {", ".join("v.terms::jsonb" if name == "terms" else f"v.{name}" for name in _SEGMENT.kinds)}
      from {_SEGMENT.table}"""


async def insert_segments(tx: Tx, segments: Sequence[Segment]) -> None:
    if not segments:
        return
    await tx.execute(
        _INSERT,
        *_SEGMENT.sent(
            *_split([each.ref for each in segments]),
            [each.subscription_id for each in segments],
            [each.customer_id for each in segments],
            [each.kind.value for each in segments],
            [each.period.starts_at for each in segments],
            [each.period.ends_at for each in segments],
            [each.full_period.starts_at for each in segments],
            [each.full_period.ends_at for each in segments],
            [msgspec.json.encode(each.terms).decode() for each in segments],
            [each.due_at for each in segments],
            [each.closes_period for each in segments],
        ),
    )


async def save_due(tx: Tx, segments: Sequence[Segment]) -> None:
    """Let what is not billed yet fall due at another instant."""
    await tx.execute(
        """update subscriptions.segments s set due_at = v.due_at
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, id, due_at)
            where s.tenant_id = v.tenant_id and s.id = v.id and s.billed_at is null""",
        *_split([each.ref for each in segments]),
        [each.due_at for each in segments],
    )


async def close_periods(tx: Tx, ended: Mapping[Ref, datetime]) -> None:
    """Let the last use of these close its period: where it does not yet it is due with the end, once more if it was billed."""
    await tx.execute(
        """update subscriptions.segments s
              set closes_period = true, billed_at = null,
                  due_at = case when s.billed_at is null then s.due_at else greatest(s.due_at, v.ended_at) end
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, subscription_id, ended_at)
            cross join lateral (
                select u.id from subscriptions.segments u
                 where u.tenant_id = v.tenant_id and u.subscription_id = v.subscription_id and u.kind = 'usage'
                 order by u.period_start desc limit 1) last
            where s.tenant_id = v.tenant_id and s.id = last.id and not s.closes_period""",
        *_split(list(ended)),
        list(ended.values()),
    )


async def claim_segments(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Segment]:
    """Lock those of `refs` that are due, not billed, and that nobody else is at; oldest first."""
    rows = await tx.fetch(
        f"""{_SELECT} where {_NAMED} and due_at <= $3 and billed_at is null
            order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return _in_time([_from_row(row) for row in rows])


async def behind(tx: Tx, until: Mapping[Ref, datetime]) -> dict[Ref, list[Ref]]:
    """Return, by customer, the subscriptions that were to be rolled before an instant, or have a segment due then."""
    rows = await tx.fetch(
        """with said (tenant_id, customer_id, until) as (
               select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]))
           select v.tenant_id, v.customer_id, s.id as subscription_id from said v
             join subscriptions.subscriptions s on s.tenant_id = v.tenant_id and s.customer_id = v.customer_id
            where s.next_due_at < v.until
           union
           select v.tenant_id, v.customer_id, g.subscription_id from said v
             join subscriptions.segments g on g.tenant_id = v.tenant_id and g.customer_id = v.customer_id
            where g.billed_at is null and g.due_at < v.until""",
        *_split(list(until)),
        list(until.values()),
    )
    found: dict[Ref, list[Ref]] = {}
    for row in rows:
        tenant_id = TenantId(row["tenant_id"])
        found.setdefault(Ref(tenant_id, row["customer_id"]), []).append(Ref(tenant_id, row["subscription_id"]))
    return found


async def mark_billed(tx: Tx, billed: Mapping[Ref, int], *, now: datetime) -> None:
    await tx.execute(
        """update subscriptions.segments s set billed_at = $4, late_seen = v.late_seen
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as v (tenant_id, id, late_seen)
           where s.tenant_id = v.tenant_id and s.id = v.id""",
        *_split(list(billed)),
        list(billed.values()),
        now,
    )


async def save_late_seen(tx: Tx, seen: Mapping[Ref, int]) -> None:
    await tx.execute(
        """update subscriptions.segments s set late_seen = greatest(s.late_seen, v.late_seen)
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as v (tenant_id, id, late_seen)
           where s.tenant_id = v.tenant_id and s.id = v.id""",
        *_split(list(seen)),
        list(seen.values()),
    )


async def segments_of(
    tx: Tx, subscriptions: Sequence[Ref], *, kind: SegmentKind | None, is_billed: bool, since: datetime | None
) -> list[Segment]:
    """Return segments of these subscriptions that ended after `since`, oldest first."""
    rows = await tx.fetch(
        f"""{_SELECT} where {_OF_SUBSCRIPTIONS} and ($3::text is null or kind = $3)
            and (billed_at is not null) = $4 and ($5::timestamptz is null or period_end > $5)""",
        *_split(subscriptions),
        kind.value if kind else None,
        is_billed,
        since,
    )
    return _in_time([_from_row(row) for row in rows])


async def segments_since_closed(
    tx: Tx, subscriptions: Sequence[Ref], *, kind: SegmentKind, before: datetime
) -> list[Segment]:
    rows = await tx.fetch(
        """select s.*, s.terms::text as terms_json
             from unnest($1::uuid[], $2::uuid[]) as a (tenant_id, subscription_id)
            cross join lateral (
                select coalesce(max(c.period_end), '-infinity') as at from subscriptions.segments c
                 where c.tenant_id = a.tenant_id and c.subscription_id = a.subscription_id and c.kind = $3
                   and c.closes_period and c.period_end <= $4) closed
             join subscriptions.segments s on s.tenant_id = a.tenant_id and s.subscription_id = a.subscription_id
              and s.kind = $3 and s.billed_at is not null and s.period_end > closed.at""",
        *_split(subscriptions),
        kind.value,
        before,
    )
    return _in_time([_from_row(row) for row in rows])


def _in_time(segments: list[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda each: (each.period.starts_at, each.kind, each.ref))


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _from_row(row: Row) -> Segment:
    return Segment(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        subscription_id=row["subscription_id"],
        customer_id=CustomerId(row["customer_id"]),
        kind=SegmentKind(row["kind"]),
        period=Period(row["period_start"], row["period_end"]),
        full_period=Period(row["full_period_start"], row["full_period_end"]),
        terms=msgspec.json.decode(row["terms_json"], type=Terms),
        due_at=row["due_at"],
        closes_period=row["closes_period"],
        billed_at=row["billed_at"],
        late_seen=row["late_seen"],
    )
