"""The SQL of refunds, and of what a tenant's policy says about them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.payments.model import (
    GivenBack,
    GrantedBy,
    NoteWish,
    Refund,
    RefundPolicy,
    RefundReason,
    RefundStatus,
)
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

REASONS = Column("payments.refunds", "reason", "t.customer_id")

_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, refunds: Sequence[Refund]) -> None:
    await tx.execute(
        """insert into payments.refunds (tenant_id, id, payment_id, invoice_id, customer_id, amount_minor, currency,
               status, reason, ends_access, is_overpayment, asked_at, reason_code, credit_note, granted_by, is_pay_out,
               asked_by, first_by, first_at, decided_by, decided_at, is_proposed, provider_ref, decline_code)
           select v.*, '', '' from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[],
               $7::text[], $8::text[], $9::text[], $10::boolean[], $11::boolean[], $12::timestamptz[], $13::text[],
               $14::text[], $15::text[], $16::boolean[], $17::text[], $18::text[], $19::timestamptz[], $20::text[],
               $21::timestamptz[], $22::boolean[]) as v""",
        [each.tenant_id for each in refunds],
        [each.id for each in refunds],
        [each.payment_id for each in refunds],
        [each.invoice_id for each in refunds],
        [each.customer_id for each in refunds],
        [each.amount.minor for each in refunds],
        [each.amount.currency for each in refunds],
        [each.status.value for each in refunds],
        await _reasons(tx, refunds),
        [each.ends_access for each in refunds],
        [each.is_overpayment for each in refunds],
        [each.asked_at for each in refunds],
        [each.reason_code.value for each in refunds],
        [each.credit_note.value for each in refunds],
        [each.granted_by.value for each in refunds],
        [each.is_pay_out for each in refunds],
        [each.asked_by for each in refunds],
        [each.first_by for each in refunds],
        [each.first_at for each in refunds],
        [each.decided_by for each in refunds],
        [each.decided_at for each in refunds],
        [each.is_proposed for each in refunds],
    )


async def save(tx: Tx, refunds: Sequence[Refund]) -> None:
    if not refunds:
        return
    await tx.execute(
        """update payments.refunds r set status = v.status, reason = v.reason, ends_access = v.ends_access,
               provider_ref = v.provider_ref, decline_code = v.decline_code, settled_at = v.settled_at,
               credit_note = v.credit_note, granted_by = v.granted_by, first_by = v.first_by, first_at = v.first_at,
               decided_by = v.decided_by, decided_at = v.decided_at
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[],
                       $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::text[],
                       $14::timestamptz[])
               as v (tenant_id, id, status, reason, ends_access, provider_ref, decline_code, settled_at, credit_note,
                     granted_by, first_by, first_at, decided_by, decided_at)
           where r.tenant_id = v.tenant_id and r.id = v.id""",
        *_split([each.ref for each in refunds]),
        [each.status.value for each in refunds],
        await _reasons(tx, refunds),
        [each.ends_access for each in refunds],
        [each.provider_ref for each in refunds],
        [each.decline_code for each in refunds],
        [each.settled_at for each in refunds],
        [each.credit_note.value for each in refunds],
        [each.granted_by.value for each in refunds],
        [each.first_by for each in refunds],
        [each.first_at for each in refunds],
        [each.decided_by for each in refunds],
        [each.decided_at for each in refunds],
    )


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Refund]:
    rows = await tx.fetch(f"select * from payments.refunds where {_NAMED}", *_split(refs))
    return await _refunds(tx, rows)


async def settled_at(tx: Tx, account: Ref, *, since: datetime, until: datetime) -> list[Refund]:
    """Return what went back through this account over a time."""
    rows = await tx.fetch(
        """select r.* from payments.refunds r
           join payments.payments p on p.tenant_id = r.tenant_id and p.id = r.payment_id
           where r.tenant_id = $1 and p.account_id = $2 and r.status = 'succeeded'
             and r.settled_at >= $3 and r.settled_at < $4""",
        *account,
        since,
        until,
    )
    return await _refunds(tx, rows)


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Refund]:
    rows = await tx.fetch(
        f"select * from payments.refunds where {_NAMED} order by tenant_id, id for update", *_split(sorted(set(refs)))
    )
    return await _refunds(tx, rows)


async def listing(
    tx: Tx, query: PageQuery, *, customer_id: UUID | None, payment_id: UUID | None, status: str | None
) -> list[Refund]:
    rows = await tx.fetch(
        """select * from payments.refunds
           where ($1::uuid is null or (customer_id = $1 and not (is_proposed and status in ('asked', 'refused'))))
           and ($2::uuid is null or payment_id = $2) and ($3::text is null or status = $3)
           and ($4::uuid is null or id < $4) order by id desc limit $5""",
        customer_id,
        payment_id,
        status,
        query.after,
        query.limit + 1,
    )
    return await _refunds(tx, rows)


async def lock_invoice(tx: Tx, invoice: Ref) -> None:
    """Make whatever gives money of this invoice back wait for us."""
    await lock_invoices(tx, [invoice])


async def lock_invoices(tx: Tx, invoices: Sequence[Ref]) -> None:
    """Make whatever gives money of these invoices back wait for us: their payments are locked, invoice after invoice."""
    await tx.execute(
        """select from payments.payments
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and status in ('succeeded', 'canceled')
           order by tenant_id, invoice_id, id for update""",
        *_split(invoices),
    )


async def given_back(tx: Tx, invoices: Sequence[Ref], *, with_pending: bool) -> dict[Ref, GivenBack]:
    """Return what came in for each invoice and what of it went back; `with_pending`, what is on its way back too.

    What was captured beside and goes back by itself is in none of the sums.
    """
    rows = await tx.fetch(
        """select p.tenant_id, p.invoice_id, p.currency, sum(p.amount_minor)::bigint as captured,
                  coalesce(sum(r.refunded), 0)::bigint as refunded, coalesce(sum(r.paid_out), 0)::bigint as paid_out,
                  coalesce(sum(d.disputed), 0)::bigint as disputed, coalesce(sum(d.lost), 0)::bigint as lost
           from payments.payments p
           cross join lateral (
               select sum(r.amount_minor) filter (where not r.is_pay_out) as refunded,
                      sum(r.amount_minor) filter (where r.is_pay_out) as paid_out
               from payments.refunds r where r.tenant_id = p.tenant_id and r.payment_id = p.id
                 and (r.status = 'succeeded' or ($3 and r.status = 'pending'))) r
           cross join lateral (
               select sum(d.amount_minor) as disputed, sum(d.amount_minor) filter (where d.status = 'lost') as lost
               from payments.disputes d
               where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status in ('open', 'lost')) d
           where (p.tenant_id, p.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and p.status = 'succeeded' and not p.is_overpayment group by 1, 2, 3""",
        *_split(invoices),
        with_pending,
    )
    return {
        Ref(TenantId(row["tenant_id"]), row["invoice_id"]): GivenBack(
            captured=Money(row["captured"], row["currency"]),
            refunded=Money(row["refunded"], row["currency"]),
            paid_out=Money(row["paid_out"], row["currency"]),
            disputed=Money(row["disputed"], row["currency"]),
            lost=Money(row["lost"], row["currency"]),
        )
        for row in rows
    }


async def withheld(tx: Tx, invoice: Ref) -> int:
    """Return what of an invoice's money may not be refunded, in minor units: it was given back as credit."""
    found = await tx.fetchval(
        "select amount_minor from payments.withheld where tenant_id = $1 and invoice_id = $2", *invoice
    )
    return int(found or 0)


async def save_withheld(tx: Tx, amounts: Mapping[Ref, int]) -> None:
    refs = sorted(amounts)
    await tx.execute(
        """insert into payments.withheld as w (tenant_id, invoice_id, amount_minor)
           select * from unnest($1::uuid[], $2::uuid[], $3::bigint[])
           on conflict (tenant_id, invoice_id) do update set amount_minor = excluded.amount_minor
           where w.amount_minor <> excluded.amount_minor""",
        *_split(refs),
        [amounts[ref] for ref in refs],
    )


async def policy_of(tx: Tx, tenant_id: TenantId) -> RefundPolicy:
    row = await tx.fetchrow(
        """select auto_grant_days, amounts_max::text as amounts_max, per_customer_year, only_unused, credit_note
           from payments.refund_policies where tenant_id = $1""",
        tenant_id,
    )
    if row is None:
        return RefundPolicy()
    return RefundPolicy(
        auto_grant_days=row["auto_grant_days"],
        amounts_max=msgspec.json.decode(row["amounts_max"], type=dict[str, int]),
        per_customer_year=row["per_customer_year"],
        only_unused=row["only_unused"],
        credit_note=NoteWish(row["credit_note"]),
    )


async def save_policy(tx: Tx, tenant_id: TenantId, policy: RefundPolicy, *, now: datetime) -> None:
    await tx.execute(
        """insert into payments.refund_policies (tenant_id, auto_grant_days, amounts_max, per_customer_year, only_unused,
                                                 credit_note, changed_at)
           values ($1, $2, $3::text::jsonb, $4, $5, $6, $7)
           on conflict (tenant_id) do update set auto_grant_days = $2, amounts_max = $3::text::jsonb,
               per_customer_year = $4, only_unused = $5, credit_note = $6, changed_at = $7""",
        tenant_id,
        policy.auto_grant_days,
        msgspec.json.encode(policy.amounts_max).decode(),
        policy.per_customer_year,
        policy.only_unused,
        policy.credit_note.value,
        now,
    )


async def granted_by_policy(tx: Tx, customer: Ref, *, since: datetime) -> int:
    """Count what the policy granted a customer since then, and did not fail."""
    count: int = await tx.fetchval(
        """select count(*) from payments.refunds where tenant_id = $1 and customer_id = $2 and asked_at > $3
           and granted_by = 'policy' and status in ('pending', 'succeeded')""",
        *customer,
        since,
    )
    return count


async def failed_returns(tx: Tx, payments: Sequence[Ref]) -> dict[Ref, int]:
    """Count how often the return of each of these payments failed."""
    rows = await tx.fetch(
        """select tenant_id, payment_id, count(*) as count from payments.refunds
           where (tenant_id, payment_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and is_overpayment and status = 'failed' group by 1, 2""",
        *_split(payments),
    )
    return {Ref(TenantId(row["tenant_id"]), row["payment_id"]): row["count"] for row in rows}


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


async def _reasons(tx: Tx, refunds: Sequence[Refund]) -> list[str]:
    """Return the reasons as they are kept: what a person wrote, sealed for whoever had paid."""
    words = [Words(each.tenant_id, each.customer_id, REASONS.field, each.reason) for each in refunds]
    return await seal_words(tx, words, now=min(each.asked_at for each in refunds)) if refunds else []


async def _refunds(tx: Tx, rows: Sequence[Row]) -> list[Refund]:
    words = [Words(row["tenant_id"], row["customer_id"], REASONS.field, row["reason"]) for row in rows]
    return [_refund_from_row(row, said) for row, said in zip(rows, await open_words(tx, words), strict=True)]


def _refund_from_row(row: Row, reason: str) -> Refund:
    return Refund(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        payment_id=row["payment_id"],
        invoice_id=row["invoice_id"],
        customer_id=CustomerId(row["customer_id"]),
        amount=Money(row["amount_minor"], row["currency"]),
        status=RefundStatus(row["status"]),
        reason=reason,
        asked_at=row["asked_at"],
        ends_access=row["ends_access"],
        settled_at=row["settled_at"],
        is_overpayment=row["is_overpayment"],
        decline_code=row["decline_code"],
        provider_ref=row["provider_ref"],
        reason_code=RefundReason(row["reason_code"]),
        credit_note=NoteWish(row["credit_note"]),
        granted_by=GrantedBy(row["granted_by"]),
        is_pay_out=row["is_pay_out"],
        asked_by=row["asked_by"],
        first_by=row["first_by"],
        first_at=row["first_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        is_proposed=row["is_proposed"],
    )
