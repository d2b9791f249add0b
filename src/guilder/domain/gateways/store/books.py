"""What providers' own books say."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import BookDay, OutcomeKind, ProviderRecord, RequestKind
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.db.tx import Row, Tx

# Refunds that are asked for, each with what the books call its charge. Who asked before it was said is found by the charge's
# object, which a page calls otherwise.
_ASKED = """(select * from gateways.requests where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))) r
                 cross join lateral (
                     select coalesce(nullif(r.charge_ref, ''), (
                         select b.charge_ref from gateways.books b
                          where (b.tenant_id, b.account_id, b.kind, b.provider_ref)
                              = (r.tenant_id, r.account_id, 'charge', r.provider_ref)), '') as charge_ref) c"""


async def claim_due(tx: Tx, refs: Sequence[Ref], *, now: datetime, next_at: datetime) -> list[Ref]:
    """Put off the next reading of those accounts that are due; return them."""
    rows = await tx.fetch(
        """update gateways.accounts a set books_due_at = $4
           from (select tenant_id, id from gateways.accounts
                 where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and books_due_at <= $3
                 order by tenant_id, id for no key update skip locked) d
           where a.tenant_id = d.tenant_id and a.id = d.id returning a.tenant_id, a.id""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
        now,
        next_at,
    )
    return [Ref(row["tenant_id"], row["id"]) for row in rows]


async def read_to(tx: Tx, account: Ref) -> datetime | None:
    """Return up to when this account's books were read."""
    found: datetime | None = await tx.fetchval(
        "select books_read_to from gateways.accounts where tenant_id = $1 and id = $2", *account
    )
    return found


async def set_read_to(tx: Tx, accounts: Sequence[Ref], *, at: datetime | None) -> None:
    await tx.execute(
        """update gateways.accounts set books_read_to = $3
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [ref.tenant_id for ref in accounts],
        [ref.id for ref in accounts],
        at,
    )


async def write(tx: Tx, account: Ref, records: Sequence[ProviderRecord], *, reading_id: UUID, now: datetime) -> int:
    """Write what is new or has changed under this reading; return how many."""
    return await tx.execute(
        """insert into gateways.books as b (tenant_id, id, account_id, kind, provider_ref, charge_ref, business_key,
               claim, status, amount_minor, fee_minor, currency, at, reading_id)
           select $1, v.id, $2, v.kind, v.provider_ref, v.charge_ref, v.business_key, v.claim, v.status, v.amount, v.fee,
                  v.currency, v.at, $3
           from unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                       $11::bigint[], $12::bigint[], $13::text[], $14::timestamptz[])
               as v (id, kind, provider_ref, charge_ref, business_key, claim, status, amount, fee, currency, at)
           order by v.kind, v.provider_ref
           on conflict (tenant_id, account_id, kind, provider_ref) do update set charge_ref = excluded.charge_ref,
               status = excluded.status, amount_minor = excluded.amount_minor, fee_minor = excluded.fee_minor,
               at = excluded.at, reading_id = excluded.reading_id
           where (b.status, b.amount_minor, b.fee_minor, b.at)
                 is distinct from (excluded.status, excluded.amount_minor, excluded.fee_minor, excluded.at)""",
        account.tenant_id,
        account.id,
        reading_id,
        [ids.new(now) for _ in records],
        [each.kind.value for each in records],
        [each.provider_ref for each in records],
        [each.charge_ref for each in records],
        [each.business_key for each in records],
        [each.claim for each in records],
        [each.status.value for each in records],
        [each.amount.minor for each in records],
        # There is one currency to an entry: a fee that was taken in the account's own, another, is in no column.
        [each.fee.minor if each.fee and each.fee.currency == each.amount.currency else None for each in records],
        [each.amount.currency for each in records],
        [each.at for each in records],
    )


async def of_reading(tx: Tx, tenant_ids: Sequence[UUID], readings: Sequence[UUID]) -> dict[UUID, list[ProviderRecord]]:
    """Return what these readings brought."""
    rows = await tx.fetch(
        """select * from gateways.books where (tenant_id, reading_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by tenant_id, at, id""",
        list(tenant_ids),
        list(readings),
    )
    found: dict[UUID, list[ProviderRecord]] = {reading: [] for reading in readings}
    for row in rows:
        found[row["reading_id"]].append(_from_row(row))
    return found


async def unknown_there(tx: Tx, account: Ref, kind: RequestKind, provider_refs: Sequence[str]) -> set[str]:
    """Return those of these objects that this account's books do not have.

    What they had as pending when its day was read is there: a debit ends days later, and that day is not read again.
    """
    rows = await tx.fetch(
        """select provider_ref, charge_ref from gateways.books
           where tenant_id = $1 and account_id = $2 and kind = $3 and status in ('succeeded', 'unknown')
             and (provider_ref = any ($4::text[]) or charge_ref = any ($4::text[]))""",
        *account,
        kind.value,
        list(provider_refs),
    )
    return set(provider_refs) - {name for row in rows for name in row}


async def refund_key(tx: Tx, account: Ref, provider_ref: str) -> str:
    """Return whose refund an entry is, as far as it is known; empty where it bears no mark."""
    key: str | None = await tx.fetchval(
        """select business_key from gateways.books
           where tenant_id = $1 and account_id = $2 and kind = 'refund' and provider_ref = $3""",
        *account,
        provider_ref,
    )
    return key or ""


async def name_refund(tx: Tx, account: Ref, *, provider_ref: str, was: str, business_key: str) -> bool:
    """Have an entry be this refund's, unless it is another's by now. A later reading leaves it so."""
    return bool(
        await tx.execute(
            """update gateways.books set business_key = $5
               where tenant_id = $1 and account_id = $2 and kind = 'refund' and provider_ref = $3 and business_key = $4""",
            *account,
            provider_ref,
            was,
            business_key,
        )
    )


async def take_refunds(tx: Tx, refunds: Sequence[Ref]) -> dict[Ref, ProviderRecord]:
    """Return what the books have as done of these refunds that are asked for: it bears their mark.

    What bears a mark of ours that nobody here asked for was lost by a restore: of the same charge and amount, it is
    taken for this one from now on, each for one.
    """
    named = [ref.tenant_id for ref in refunds], [ref.id for ref in refunds]
    await tx.execute(
        f"""with wanted as (
               select r.tenant_id, r.account_id, r.business_key, r.amount_minor, r.currency, c.charge_ref,
                      row_number() over (partition by r.tenant_id, r.account_id, c.charge_ref, r.amount_minor
                                         order by r.id) as nth
                 from {_ASKED}
                where c.charge_ref <> '' and r.outcome = ''
                  and not exists (select from gateways.books b
                                   where (b.tenant_id, b.account_id, b.charge_ref, b.kind, b.business_key)
                                       = (r.tenant_id, r.account_id, c.charge_ref, 'refund', r.business_key))),
           lost as (
               select b.tenant_id, b.account_id, b.id, b.business_key, b.charge_ref, b.amount_minor, b.currency,
                      row_number() over (partition by b.tenant_id, b.account_id, b.charge_ref, b.amount_minor
                                         order by b.at, b.id) as nth
                 from (select distinct tenant_id, account_id, charge_ref from wanted) w
                 join gateways.books b using (tenant_id, account_id, charge_ref)
                where b.kind = 'refund' and b.status = 'succeeded'
                  and starts_with(b.business_key, b.tenant_id::text || ':refund:')
                  and not exists (select from gateways.requests q
                                   where (q.tenant_id, q.kind, q.business_key)
                                       = (b.tenant_id, 'refund', b.business_key)))
           update gateways.books b set business_key = w.business_key
             from wanted w
             join lost l using (tenant_id, account_id, charge_ref, amount_minor, currency, nth)
            where (b.tenant_id, b.id, b.business_key) = (l.tenant_id, l.id, l.business_key)""",
        *named,
    )
    rows = await tx.fetch(
        f"""select r.id as request_id, b.* from {_ASKED}
             join gateways.books b on (b.tenant_id, b.account_id, b.charge_ref, b.kind, b.business_key)
                                    = (r.tenant_id, r.account_id, c.charge_ref, 'refund', r.business_key)
            where b.status = 'succeeded' and c.charge_ref <> ''""",
        *named,
    )
    return {Ref(row["tenant_id"], row["request_id"]): _from_row(row) for row in rows}


async def days(tx: Tx, *, since: datetime, until: datetime) -> list[BookDay]:
    """Add up what each account's books have from `since` up to but not including `until`."""
    rows = await tx.fetch(
        """select account_id, currency,
                  count(*) filter (where kind = 'charge')::int as charges,
                  coalesce(sum(amount_minor) filter (where kind = 'charge'), 0)::bigint as charged,
                  count(*) filter (where kind = 'refund')::int as refunds,
                  coalesce(sum(amount_minor) filter (where kind = 'refund'), 0)::bigint as refunded,
                  coalesce(sum(fee_minor), 0)::bigint as fees
           from gateways.books
           where tenant_id = $1 and status = 'succeeded' and at >= $2 and at < $3
           group by account_id, currency order by account_id, currency""",
        tx.tenant_id,
        since,
        until,
    )
    return [
        BookDay(
            account_id=row["account_id"],
            currency=row["currency"],
            charges=row["charges"],
            charged_minor=row["charged"],
            refunds=row["refunds"],
            refunded_minor=row["refunded"],
            fees_minor=row["fees"],
        )
        for row in rows
    ]


async def set_quarantine(tx: Tx, accounts: Sequence[Ref], *, at: datetime | None) -> None:
    await tx.execute(
        """update gateways.accounts set quarantined_at = $3
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [ref.tenant_id for ref in accounts],
        [ref.id for ref in accounts],
        at,
    )


def _from_row(row: Row) -> ProviderRecord:
    return ProviderRecord(
        kind=RequestKind(row["kind"]),
        provider_ref=row["provider_ref"],
        charge_ref=row["charge_ref"],
        business_key=row["business_key"],
        claim=row["claim"],
        status=OutcomeKind(row["status"]),
        amount=Money(row["amount_minor"], row["currency"]),
        at=row["at"],
        fee=None if row["fee_minor"] is None else Money(row["fee_minor"], row["currency"]),
    )
