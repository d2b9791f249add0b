"""What was billed of stretches of use, and what a period's fees came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import Struct

from guilder.domain.invoicing.model import TaxTotal
from guilder.domain.invoicing.rules.rerating import Once
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

Stretch = tuple[TenantId, UUID, datetime]  # tenant, subscription, when it began


# What is left of a line `l` and the part of it that prepaid credits paid for, in the terms of its price.
_NOT_CREDITED = """
    left join lateral (
        select sum(p.amount_minor + coalesce(c.net, 0)
                   + case when p.explanation #>> '{tax,is_inclusive}' = 'true'
                          then p.tax_minor + coalesce(c.tax, 0) else 0 end)::bigint as left_minor
        from invoicing.lines p
        left join lateral (
            select sum(x.amount_minor) as net, sum(x.tax_minor) as tax
            from invoicing.lines x
            join invoicing.invoices y on y.tenant_id = x.tenant_id and y.id = x.invoice_id and y.status <> 'void'
            where x.tenant_id = p.tenant_id and x.credits_line_id = p.id) c on true
        where p.tenant_id = l.tenant_id and p.invoice_id = l.invoice_id
          and p.billed_item in (l.billed_item, l.billed_item || ':prepaid')) n on true"""
# What of it was paid for by prepaid credits that nobody paid for.
_GIFTS = """
    left join lateral (
        select sum((paid ->> 'amount')::bigint)::bigint as minor
        from invoicing.lines d
        join invoicing.prepaid_grants g
            on g.tenant_id = d.tenant_id and g.id = (d.explanation ->> 'grant')::uuid and g.invoice_id is null
        cross join jsonb_array_elements(d.explanation -> 'pays_for') paid
        where d.tenant_id = l.tenant_id and d.invoice_id = l.invoice_id and d.kind = 'prepaid'
          and paid ->> 'billed_item' = l.billed_item) f on true"""


_RATED = Columns(
    {
        "tenant_id": "uuid",
        "subscription_id": "uuid",
        "starts_at": "timestamptz",
        "charge": "text",
        "group_key": "text",
        "number": "int",
        "cause": "text",
        "group_values": "text",
        "currency": "text",
        "quantity": "numeric",
        "total_minor": "bigint",
        "amount_minor": "bigint",
        "billed_item": "text",
    }
)


class Rating(Struct, frozen=True, kw_only=True):
    """One time that a stretch was rated, as it is written down."""

    stretch: Stretch
    once: Once
    quantity: Decimal
    billed_item: str | None


@dataclass(frozen=True, slots=True)
class FeeLine:
    """A line about a fee within a period, net, with what it withholds; its discount, and the same of the line that it
    credits."""

    line_id: UUID
    subscription: Ref
    starts_at: datetime
    amount_minor: int
    discount_minor: int
    tax_percent: Decimal
    credited_amount_minor: int | None
    credited_discount_minor: int | None
    credited_starts_at: datetime | None


async def save_rated(tx: Tx, ratings: Sequence[Rating], *, now: datetime) -> None:
    """Keep what was rated. The number is unique in its stretch: of two that bill the same at once, one fails."""
    if not ratings:
        return
    await tx.send(
        f"""insert into invoicing.rated ({_RATED.names}, rated_at)
           select {_RATED.names.replace("group_values", "group_values::jsonb")}, $14 from {_RATED.table}""",
        *_RATED.sent(
            [each.stretch[0] for each in ratings],
            [each.stretch[1] for each in ratings],
            [each.stretch[2] for each in ratings],
            [each.once.charge for each in ratings],
            [each.once.group_key for each in ratings],
            [each.once.number for each in ratings],
            [each.once.cause for each in ratings],
            [msgspec.json.encode(each.once.group).decode() if each.once.group else "[]" for each in ratings],
            [each.once.total.currency for each in ratings],
            [each.quantity for each in ratings],
            [each.once.total.minor for each in ratings],
            [each.once.amount.minor for each in ratings],
            [each.billed_item for each in ratings],
        ),
        now,
    )


async def rated(tx: Tx, stretches: Sequence[Stretch]) -> dict[Stretch, list[Once]]:
    """Return what was rated of these stretches, in order, with the lines that stand for it."""
    found: dict[Stretch, list[Once]] = {}
    if not stretches:
        return found
    rows = await tx.fetch(
        f"""select r.*, r.group_values::text as group_json, l.id as line_id, l.invoice_id, i.number as invoice_number,
                  l.amount_minor as net_minor, l.amount_minor + case when l.explanation #>> '{{tax,is_inclusive}}' = 'true'
                      then l.tax_minor else 0 end as charged_minor, l.discount_minor, l.tax_percent, l.tax_code, i.taxes::text as taxes_json,
                  l.explanation #>> '{{tax,rate}}' as rate_json,
                  case when i.status in ('open', 'paid') then n.left_minor - coalesce(f.minor, 0) else 0 end as left_minor
           from invoicing.rated r
           left join invoicing.billed_items b on b.tenant_id = r.tenant_id and b.billed_item = r.billed_item
           left join invoicing.invoices i on i.tenant_id = b.tenant_id and i.id = b.invoice_id
           left join invoicing.lines l
               on l.tenant_id = i.tenant_id and l.invoice_id = i.id and l.billed_item = r.billed_item
           {_NOT_CREDITED} {_GIFTS}
           where (r.tenant_id, r.subscription_id, r.starts_at) in
                 (select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]))
           order by r.tenant_id, r.subscription_id, r.starts_at, r.charge, r.group_key, r.number""",
        [each[0] for each in stretches],
        [each[1] for each in stretches],
        [each[2] for each in stretches],
    )
    for row in rows:
        stretch = (TenantId(row["tenant_id"]), row["subscription_id"], row["starts_at"])
        found.setdefault(stretch, []).append(_once(row))
    return found


async def fees_within(tx: Tx, periods: Sequence[tuple[Ref, Period]]) -> list[FeeLine]:
    """Return the fees and their prorations that stand, of lines that begin within these periods of subscriptions, and of
    credits with the end of one."""
    refs = [ref for ref, _ in periods]
    rows = await tx.fetch(
        """select distinct l.tenant_id, l.id, l.subscription_id, l.period_start, l.discount_minor, l.tax_percent,
                  l.amount_minor - coalesce((l.explanation ->> 'withheld')::bigint, 0) as amount_minor, o.amount_minor as credited_amount, o.discount_minor as credited_discount,
                  o.period_start as credited_start
           from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
               as v (tenant_id, subscription_id, since, until)
           join invoicing.lines l on l.tenant_id = v.tenant_id and l.subscription_id = v.subscription_id
               and l.kind in ('recurring', 'proration_credit', 'proration_charge')
               and l.period_start >= v.since
               and (l.period_start < v.until or l.period_start = v.until and l.kind = 'proration_credit')
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id and i.status <> 'void'
           left join invoicing.lines o on o.tenant_id = l.tenant_id and o.id = l.credits_line_id""",
        *split(refs),
        [period.starts_at for _, period in periods],
        [period.ends_at for _, period in periods],
    )
    return [
        FeeLine(
            line_id=row["id"],
            subscription=Ref(TenantId(row["tenant_id"]), row["subscription_id"]),
            starts_at=row["period_start"],
            amount_minor=row["amount_minor"],
            discount_minor=row["discount_minor"],
            tax_percent=row["tax_percent"],
            credited_amount_minor=row["credited_amount"],
            credited_discount_minor=row["credited_discount"],
            credited_starts_at=row["credited_start"],
        )
        for row in rows
    ]


async def late_seen(tx: Tx, subscriptions: Sequence[Ref]) -> dict[Ref, int]:
    rows = await tx.fetch(
        """select tenant_id, subscription_id, late_number from invoicing.use_seen
           where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *split(subscriptions),
    )
    return {Ref(TenantId(row["tenant_id"]), row["subscription_id"]): row["late_number"] for row in rows}


async def save_late_seen(tx: Tx, seen: Mapping[Ref, int]) -> None:
    refs = sorted(seen)
    await tx.execute(
        """insert into invoicing.use_seen (tenant_id, subscription_id, late_number)
           select * from unnest($1::uuid[], $2::uuid[], $3::bigint[])
           on conflict (tenant_id, subscription_id)
               do update set late_number = greatest(use_seen.late_number, excluded.late_number)""",
        *split(refs),
        [seen[ref] for ref in refs],
    )


async def reach(tx: Tx, reached: Sequence[tuple[Stretch, int]], *, at: datetime) -> set[tuple[Stretch, int]]:
    """Note thresholds as reached; return those that nobody had noted. Who comes second waits for the first to commit."""
    rows = await tx.fetch(
        """insert into invoicing.thresholds_reached (tenant_id, subscription_id, starts_at, threshold_minor, reached_at)
           select v.*, $5 from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[])
               as v (tenant_id, subscription_id, starts_at, threshold)
           order by tenant_id, subscription_id, starts_at, threshold
           on conflict do nothing returning tenant_id, subscription_id, starts_at, threshold_minor""",
        [stretch[0] for stretch, _ in reached],
        [stretch[1] for stretch, _ in reached],
        [stretch[2] for stretch, _ in reached],
        [minor for _, minor in reached],
        at,
    )
    return {
        ((TenantId(row["tenant_id"]), row["subscription_id"], row["starts_at"]), row["threshold_minor"]) for row in rows
    }


def _once(row: Row) -> Once:
    currency = row["currency"]
    return Once(
        charge=row["charge"],
        group=msgspec.json.decode(row["group_json"], type=tuple[tuple[str, str], ...]),
        group_key=row["group_key"],
        number=row["number"],
        cause=row["cause"],
        total=Money(row["total_minor"], currency),
        amount=Money(row["amount_minor"], currency),
        line_id=row["line_id"],
        invoice=Ref(TenantId(row["tenant_id"]), row["invoice_id"]) if row["invoice_id"] else None,
        invoice_number=row["invoice_number"] or "",
        net_minor=row["net_minor"] or 0,
        charged_minor=row["charged_minor"] or 0,
        discount_minor=row["discount_minor"] or 0,
        tax_percent=Decimal(row["tax_percent"] or 0).normalize(),
        tax_code=row["tax_code"] or "standard",
        taxes=msgspec.json.decode(row["taxes_json"], type=tuple[TaxTotal, ...]) if row["taxes_json"] else (),
        tax_named=msgspec.json.decode(row["rate_json"]) if row["rate_json"] else None,
        left_minor=row["left_minor"],
    )
