"""Discounts that were redeemed, and the invoices that they took something off."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import Discount
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.platform.db.tx import Row, Tx

_LIVE = "d.ended_at is null and (d.periods_left is null or d.periods_left > 0)"


async def lock_live(tx: Tx, customers: Sequence[Ref], *, also: Sequence[Ref] = ()) -> list[Discount]:
    """Lock what these customers have, in the order in which it is applied; of what is used up, what is named."""
    rows = await tx.fetch(
        f"""select d.* from invoicing.discounts d
            where (d.tenant_id, d.customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
                and ({_LIVE} or (d.tenant_id, d.id) in (select * from unnest($3::uuid[], $4::uuid[])))
            order by d.tenant_id, d.customer_id, d.number for no key update""",
        *split(customers),
        *split(also),
    )
    return [_discount(row) for row in rows]


async def taken_off(tx: Tx, lines: Sequence[Ref]) -> dict[Ref, dict[UUID, int | None]]:
    """Return the discounts that were taken off these lines; off what one is that was due again, when it was billed first.
    With each of an amount, what of that was for the line in a whole period: what other lines of the invoice left; of a stub,
    which had all of that for a part of one, so much more.
    """
    if not lines:
        return {}
    rows = await tx.fetch(
        """select l.tenant_id, l.id, u.discount_id,
                  coalesce((e.said ->> 'allotted')::bigint, round(((e.said ->> 'amount')::bigint
                      - (e.said ->> 'off_the_invoice')::bigint + (e.said ->> 'off_this_line')::bigint)
                      * case when f.kind = 'recurring' and f.explanation #>> '{share,0}' <> '0'
                             then (f.explanation #>> '{share,1}')::numeric / (f.explanation #>> '{share,0}')::numeric
                             else 1 end)::bigint) as allotted
           from invoicing.lines l
           join invoicing.lines f
               on f.tenant_id = l.tenant_id and f.id = coalesce((l.explanation ->> 'of_line')::uuid, l.id)
           join invoicing.discount_uses u
               on u.tenant_id = f.tenant_id and u.invoice_id = f.invoice_id and u.returned_at is null
           join invoicing.discounts d on d.tenant_id = u.tenant_id and d.id = u.discount_id
           cross join lateral jsonb_array_elements(f.explanation -> 'discounts') e (said)
           where (l.tenant_id, l.id) in (select * from unnest($1::uuid[], $2::uuid[])) and e.said ->> 'code' = d.code""",
        *split(lines),
    )
    found: dict[Ref, dict[UUID, int | None]] = {}
    for row in rows:
        found.setdefault(Ref(TenantId(row["tenant_id"]), row["id"]), {})[row["discount_id"]] = row["allotted"]
    return found


async def insert(tx: Tx, discount: Discount) -> Discount:
    row = await tx.fetchrow(
        """insert into invoicing.discounts (tenant_id, id, customer_id, subscription_id, promo_code_id, code, name,
               percent, amount_minor, currency, periods_left, plan_ids, redeemed_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning *""",
        discount.tenant_id,
        discount.id,
        discount.customer_id,
        discount.subscription_id,
        discount.promo_code_id,
        discount.code,
        discount.name,
        discount.percent,
        discount.amount.minor if discount.amount else None,
        discount.amount.currency if discount.amount else None,
        discount.periods_left,
        list(discount.plan_ids),
        discount.redeemed_at,
    )
    assert row is not None
    return _discount(row)


async def redeemed_count(tx: Tx, *, promo_code_id: UUID, customer_id: CustomerId) -> int:
    """Count how often a customer has redeemed a code; the code is locked, so that it stays so."""
    count: int = await tx.fetchval(
        """select count(*) from invoicing.discounts
            where tenant_id = $1 and promo_code_id = $2 and customer_id = $3 and returned_at is null""",
        tx.tenant_id,
        promo_code_id,
        customer_id,
    )
    return count


async def listing(tx: Tx, *, customer_id: CustomerId) -> list[Discount]:
    rows = await tx.fetch(
        "select * from invoicing.discounts where tenant_id = $1 and customer_id = $2 order by number",
        tx.tenant_id,
        customer_id,
    )
    return [_discount(row) for row in rows]


async def lock(tx: Tx, ref: Ref) -> Discount | None:
    row = await tx.fetchrow(
        "select * from invoicing.discounts where tenant_id = $1 and id = $2 for no key update", *ref
    )
    return _discount(row) if row else None


async def end(tx: Tx, ref: Ref, *, at: datetime) -> None:
    await tx.execute(
        """update invoicing.discounts set ended_at = $3 where tenant_id = $1 and id = $2 and ended_at is null""",
        *ref,
        at,
    )


async def promo_codes_of(tx: Tx, subscriptions: Sequence[Ref]) -> list[UUID]:
    """Return the codes that were redeemed for these subscriptions."""
    rows = await tx.fetch(
        """select distinct promo_code_id from invoicing.discounts
           where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[])) and returned_at is null""",
        *split(subscriptions),
    )
    return [row["promo_code_id"] for row in rows]


async def take_back(tx: Tx, subscriptions: Sequence[Ref], *, at: datetime) -> list[UUID]:
    """End what was redeemed for these subscriptions, as if it had not been; return the code of each."""
    rows = await tx.fetch(
        """update invoicing.discounts set returned_at = $3, ended_at = coalesce(ended_at, $3)
           where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[])) and returned_at is null
           returning promo_code_id""",
        *split(subscriptions),
        at,
    )
    return [row["promo_code_id"] for row in rows]


async def record_uses(
    tx: Tx, uses: Sequence[tuple[Ref, UUID, Money, bool]], *, periods_left: Mapping[Ref, int | None], now: datetime
) -> None:
    """Write what (discount, invoice, amount, is counted) came to, and how many periods each discount has left."""
    if not uses:
        return
    await tx.execute(
        """insert into invoicing.discount_uses
               (tenant_id, discount_id, invoice_id, amount_minor, currency, is_counted, used_at)
           select tenant_id, discount_id, invoice_id, amount, currency, is_counted, $7
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::boolean[])
               as v (tenant_id, discount_id, invoice_id, amount, currency, is_counted)""",
        *split([ref for ref, *_ in uses]),
        [invoice_id for _, invoice_id, _, _ in uses],
        [amount.minor for _, _, amount, _ in uses],
        [amount.currency for _, _, amount, _ in uses],
        [is_counted for *_, is_counted in uses],
        now,
    )
    counted = sorted(ref for ref, left in periods_left.items() if left is not None)
    await tx.execute(
        """update invoicing.discounts d set periods_left = v.left
           from unnest($1::uuid[], $2::uuid[], $3::int[]) as v (tenant_id, id, "left")
           where d.tenant_id = v.tenant_id and d.id = v.id""",
        *split(counted),
        [periods_left[ref] for ref in counted],
    )


async def return_uses(tx: Tx, invoices: Sequence[Ref], *, at: datetime) -> None:
    """What these invoices took of discounts was not taken after all."""
    await tx.execute(
        """with returned as (
               update invoicing.discount_uses set returned_at = $3
               where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and returned_at is null
               returning tenant_id, discount_id, is_counted),
           counted as (select tenant_id, discount_id, count(*)::int as times
                       from returned where is_counted group by 1, 2)
           update invoicing.discounts d set periods_left = d.periods_left + c.times
           from counted c where d.tenant_id = c.tenant_id and d.id = c.discount_id and d.periods_left is not null""",
        *split(invoices),
        at,
    )


def _discount(row: Row) -> Discount:
    return Discount(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        subscription_id=row["subscription_id"],
        promo_code_id=row["promo_code_id"],
        code=row["code"],
        name=row["name"],
        percent=row["percent"],
        amount=Money(row["amount_minor"], row["currency"]) if row["currency"] else None,
        periods_left=row["periods_left"],
        plan_ids=tuple(row["plan_ids"]),
        redeemed_at=row["redeemed_at"],
        number=row["number"],
        ended_at=row["ended_at"],
    )
