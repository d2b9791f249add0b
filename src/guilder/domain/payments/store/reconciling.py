"""What was found at providers, and where their books and ours do not agree."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.payments.model import Difference, Found, OurDay
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

# What staff writes about money whose payer is not known: the tenant's own.
PUT_ASIDE = Column("payments.found", "put_aside", "t.tenant_id")
RESOLUTION = Column("payments.differences", "resolution", "t.tenant_id")


async def insert_found(tx: Tx, found: Sequence[Found]) -> None:
    await tx.execute(
        """insert into payments.found (tenant_id, id, account_id, provider_ref, charge_ref, business_key, claim,
               amount_minor, currency, captured_at, found_at)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                                $8::bigint[], $9::text[], $10::timestamptz[], $11::timestamptz[])
           on conflict (tenant_id, account_id, provider_ref) do nothing""",
        [each.tenant_id for each in found],
        [each.id for each in found],
        [each.account_id for each in found],
        [each.provider_ref for each in found],
        [each.charge_ref for each in found],
        [each.business_key for each in found],
        [each.claim for each in found],
        [each.amount.minor for each in found],
        [each.amount.currency for each in found],
        [each.captured_at for each in found],
        [each.found_at for each in found],
    )


async def lock_open(tx: Tx, wanted: Sequence[tuple[TenantId, str, str]]) -> list[Found]:
    """Lock what was found for these (tenant, claim, business key) and pays nothing yet, the oldest first."""
    rows = await tx.fetch(
        """select f.* from payments.found f where f.payment_id is null and f.put_aside = ''
             and ((f.tenant_id, f.claim) in (select * from unnest($1::uuid[], $2::text[]) as w (tenant_id, claim) where w.claim <> '')
               or (f.tenant_id, f.business_key) in (select * from unnest($1::uuid[], $3::text[])))
           order by f.tenant_id, f.captured_at, f.id for update""",
        [tenant_id for tenant_id, _, _ in wanted],
        [claim for _, claim, _ in wanted],
        [key for _, _, key in wanted],
    )
    return [_found(row) for row in rows]


async def take(tx: Tx, taken: Sequence[tuple[Found, UUID]]) -> None:
    """Note which payment each found object is."""
    await tx.execute(
        """update payments.found f set payment_id = v.payment_id
           from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as v (tenant_id, id, payment_id)
           where f.tenant_id = v.tenant_id and f.id = v.id""",
        [each.tenant_id for each, _ in taken],
        [each.id for each, _ in taken],
        [payment_id for _, payment_id in taken],
    )


async def put_aside(tx: Tx, ref: Ref, *, reason: str, now: datetime) -> bool:
    """Note why a found object pays nothing; False if there is no such open one."""
    [said] = await seal_words(tx, [Words(ref.tenant_id, ref.tenant_id, PUT_ASIDE.field, reason)], now=now)
    return bool(
        await tx.execute(
            """update payments.found set put_aside = $3
               where tenant_id = $1 and id = $2 and payment_id is null and put_aside = ''""",
            *ref,
            said,
        )
    )


async def homeless(tx: Tx, *, limit: int) -> list[Found]:
    """Return what was found and pays nothing yet."""
    rows = await tx.fetch(
        "select * from payments.found where payment_id is null and put_aside = '' order by captured_at, id limit $1",
        limit,
    )
    return [_found(row) for row in rows]


async def insert_differences(tx: Tx, differences: Sequence[Difference]) -> list[Difference]:
    """Write differences; return those that are new."""
    rows = await tx.fetch(
        """insert into payments.differences (tenant_id, id, account_id, what, provider_ref, payment_id, ours_minor,
               theirs_minor, currency, happened_at, found_at)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::bigint[],
                                $8::bigint[], $9::text[], $10::timestamptz[], $11::timestamptz[])
           on conflict (tenant_id, account_id, what, provider_ref) do nothing returning id""",
        [each.tenant_id for each in differences],
        [each.id for each in differences],
        [each.account_id for each in differences],
        [each.what for each in differences],
        [each.provider_ref for each in differences],
        [each.payment_id for each in differences],
        [each.ours_minor for each in differences],
        [each.theirs_minor for each in differences],
        [each.currency for each in differences],
        [each.happened_at for each in differences],
        [each.found_at for each in differences],
    )
    new = {row["id"] for row in rows}
    return [each for each in differences if each.id in new]


async def resolve(tx: Tx, refs: Sequence[Ref], *, resolution: str, now: datetime) -> list[Difference]:
    [said] = await seal_words(tx, [Words(tx.tenant_id, tx.tenant_id, RESOLUTION.field, resolution)], now=now)
    rows = await tx.fetch(
        """update payments.differences set resolved_at = $3, resolution = $4
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and resolved_at is null
           returning *""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
        now,
        said,
    )
    return await _differences(tx, rows)


async def resolve_missing(
    tx: Tx, account: Ref, provider_refs: Sequence[str], *, payment_ids: Sequence[UUID], now: datetime
) -> None:
    """End the differences about what a provider's books have after all: by its name there, or as this payment."""
    await tx.execute(
        """update payments.differences set resolved_at = $4, resolution = 'the books have it by now'
           where tenant_id = $1 and account_id = $2 and resolved_at is null
             and ((what in ('only_here', 'refund_only_here') and provider_ref = any ($3::text[]))
                  or (what = 'only_here' and payment_id = any ($5::uuid[])))""",
        *account,
        list(provider_refs),
        now,
        list(payment_ids),
    )


async def resolve_refunds(tx: Tx, refunds: Sequence[tuple[TenantId, str]], *, now: datetime) -> None:
    """End the differences about refunds, by their names at the provider, that are known here after all."""
    await tx.execute(
        """update payments.differences set resolved_at = $3, resolution = 'it is a refund here by now'
           where (tenant_id, provider_ref) in (select * from unnest($1::uuid[], $2::text[])) and resolved_at is null
             and what = 'refund_only_there'""",
        [tenant_id for tenant_id, _ in refunds],
        [ref for _, ref in refunds],
        now,
    )


async def difference(tx: Tx, ref: Ref) -> Difference | None:
    row = await tx.fetchrow("select * from payments.differences where tenant_id = $1 and id = $2", *ref)
    return (await _differences(tx, [row]))[0] if row else None


async def differences(
    tx: Tx,
    query: PageQuery,
    *,
    is_open: bool | None,
    since: datetime | None,
    until: datetime | None,
    account_id: UUID | None,
) -> list[Difference]:
    rows = await tx.fetch(
        """select * from payments.differences
           where ($1::uuid is null or id < $1) and ($2::boolean is null or (resolved_at is null) = $2)
             and ($3::timestamptz is null or happened_at >= $3) and ($4::timestamptz is null or happened_at < $4)
             and ($5::uuid is null or account_id = $5)
           order by id desc limit $6""",
        query.after,
        is_open,
        since,
        until,
        account_id,
        query.limit + 1,
    )
    return await _differences(tx, rows)


async def our_days(tx: Tx, *, since: datetime, until: datetime) -> list[OurDay]:
    """Add up what we booked over a time, by account and currency: also what came in for what was canceled, and goes back.
    What was recorded by hand is nobody's books."""
    rows = await tx.fetch(
        """select account_id, currency, sum(charges)::int as charges, sum(charged)::bigint as charged,
                  sum(refunds)::int as refunds, sum(refunded)::bigint as refunded
           from (select p.account_id, p.currency, 1 as charges, p.amount_minor as charged, 0 as refunds, 0 as refunded
                 from payments.payments p
                 where p.tenant_id = $1 and p.account_id is not null
                   and (p.status = 'succeeded' or p.alert = 'paid_after_cancel')
                   and p.settled_at >= $2 and p.settled_at < $3
                 union all
                 select p.account_id, r.currency, 0, 0, 1, r.amount_minor
                 from payments.refunds r
                 join payments.payments p on p.tenant_id = r.tenant_id and p.id = r.payment_id
                 where r.tenant_id = $1 and r.status = 'succeeded' and r.settled_at >= $2 and r.settled_at < $3) d
           group by account_id, currency order by account_id, currency""",
        tx.tenant_id,
        since,
        until,
    )
    return [
        OurDay(
            account_id=row["account_id"],
            currency=row["currency"],
            charges=row["charges"],
            charged_minor=row["charged"],
            refunds=row["refunds"],
            refunded_minor=row["refunded"],
        )
        for row in rows
    ]


def _found(row: Row) -> Found:
    return Found(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        account_id=row["account_id"],
        provider_ref=row["provider_ref"],
        charge_ref=row["charge_ref"],
        business_key=row["business_key"],
        claim=row["claim"],
        amount=Money(row["amount_minor"], row["currency"]),
        captured_at=row["captured_at"],
        found_at=row["found_at"],
    )


async def _differences(tx: Tx, rows: Sequence[Row]) -> list[Difference]:
    words = [Words(row["tenant_id"], row["tenant_id"], RESOLUTION.field, row["resolution"]) for row in rows]
    return [_difference(row, said) for row, said in zip(rows, await open_words(tx, words), strict=True)]


def _difference(row: Row, resolution: str) -> Difference:
    return Difference(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        account_id=row["account_id"],
        what=row["what"],
        provider_ref=row["provider_ref"],
        payment_id=row["payment_id"],
        ours_minor=row["ours_minor"],
        theirs_minor=row["theirs_minor"],
        currency=row["currency"],
        happened_at=row["happened_at"],
        found_at=row["found_at"],
        resolved_at=row["resolved_at"],
        resolution=resolution,
    )
