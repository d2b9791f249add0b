"""The SQL of disputes, of staff's notes on them, and of news whose payment is not known yet."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import DisputeNews, DisputeStatus
from guilder.domain.payments.model import Dispute, DisputeNote, DisputeTold
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

Key = tuple[TenantId, UUID, str]  # tenant, account, the provider's name of the dispute
# Staff's notes are about whoever paid, and go with them.
NOTES = Column(
    "payments.dispute_notes",
    "text",
    "(select d.customer_id from payments.disputes d where d.tenant_id = t.tenant_id and d.id = t.dispute_id)",
)
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def payments_named(tx: Tx, told: Sequence[DisputeTold]) -> list[Ref | None]:
    """Return, for each news, the payment that the provider's references name, or nothing."""
    rows = await tx.fetch(
        """select n.number, p.tenant_id, p.id
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) with ordinality
               as n (tenant_id, account_id, charge_ref, provider_ref, number)
           cross join lateral (
               select c.tenant_id, c.id from payments.payments c
               where c.tenant_id = n.tenant_id and c.account_id = n.account_id and n.charge_ref <> ''
                 and c.charge_ref = n.charge_ref
               union
               select q.tenant_id, q.id from payments.payments q
               where q.tenant_id = n.tenant_id and q.account_id = n.account_id and n.provider_ref <> ''
                 and q.provider_ref = n.provider_ref) p""",
        [each.tenant_id for each in told],
        [each.account_id for each in told],
        [each.news.charge_ref for each in told],
        [each.news.provider_ref for each in told],
    )
    found = {row["number"]: Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}
    return [found.get(number) for number in range(1, len(told) + 1)]


async def kept(tx: Tx, payments: Sequence[Ref]) -> dict[Ref, Money]:
    """Return what of each payment is neither back nor with a bank; what is only on its way back is still here."""
    rows = await tx.fetch(
        """select p.tenant_id, p.id, p.currency, (p.amount_minor
               - coalesce((select sum(r.amount_minor) from payments.refunds r where r.tenant_id = p.tenant_id
                           and r.payment_id = p.id and r.status = 'succeeded'), 0)
               - coalesce((select sum(d.amount_minor) from payments.disputes d where d.tenant_id = p.tenant_id
                           and d.payment_id = p.id and d.status in ('open', 'lost')), 0))::bigint as minor
           from payments.payments p
           where (p.tenant_id, p.id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *_split(payments),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): Money(max(row["minor"], 0), row["currency"]) for row in rows}


async def lock(tx: Tx, keys: Sequence[Key]) -> dict[Key, Dispute]:
    rows = await tx.fetch(
        """select * from payments.disputes
           where (tenant_id, account_id, dispute_ref) in (select * from unnest($1::uuid[], $2::uuid[], $3::text[]))
           order by tenant_id, id for update""",
        [tenant_id for tenant_id, _, _ in keys],
        [account_id for _, account_id, _ in keys],
        [dispute_ref for _, _, dispute_ref in keys],
    )
    return {key_of(dispute): dispute for dispute in map(_from_row, rows)}


async def save(tx: Tx, disputes: Sequence[Dispute]) -> None:
    if not disputes:
        return
    await tx.execute(
        """insert into payments.disputes as d (tenant_id, id, payment_id, invoice_id, customer_id, account_id, gateway,
               dispute_ref, amount_minor, currency, fee_minor, fee_currency, reason, status, alert, respond_by,
               noticed_at, opened_at, decided_at)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[],
               $8::text[], $9::bigint[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[],
               $15::text[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[])
           on conflict (tenant_id, id) do update set amount_minor = excluded.amount_minor,
               fee_minor = excluded.fee_minor, fee_currency = excluded.fee_currency, reason = excluded.reason,
               status = excluded.status, alert = excluded.alert, respond_by = excluded.respond_by,
               opened_at = excluded.opened_at, decided_at = excluded.decided_at""",
        *_split([each.ref for each in disputes]),
        [each.payment_id for each in disputes],
        [each.invoice_id for each in disputes],
        [each.customer_id for each in disputes],
        [each.account_id for each in disputes],
        [each.gateway for each in disputes],
        [each.dispute_ref for each in disputes],
        [each.amount.minor for each in disputes],
        [each.amount.currency for each in disputes],
        [each.fee.minor if each.fee else None for each in disputes],
        [each.fee.currency if each.fee else None for each in disputes],
        [each.reason for each in disputes],
        [each.status.value for each in disputes],
        [each.alert for each in disputes],
        [each.respond_by for each in disputes],
        [each.noticed_at for each in disputes],
        [each.opened_at for each in disputes],
        [each.decided_at for each in disputes],
    )


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Dispute]:
    rows = await tx.fetch(f"select * from payments.disputes where {_NAMED}", *_split(refs))
    return [_from_row(row) for row in rows]


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: UUID | None,
    payment_id: UUID | None,
    invoice_id: UUID | None,
    status: str | None,
) -> list[Dispute]:
    rows = await tx.fetch(
        """select * from payments.disputes where ($1::uuid is null or customer_id = $1)
           and ($2::uuid is null or payment_id = $2) and ($3::uuid is null or invoice_id = $3)
           and ($4::text is null or status = $4) and ($5::uuid is null or id < $5) order by id desc limit $6""",
        customer_id,
        payment_id,
        invoice_id,
        status,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def insert_note(tx: Tx, dispute: Dispute, note: DisputeNote) -> None:
    [text] = await seal_words(
        tx, [Words(dispute.tenant_id, dispute.customer_id, NOTES.field, note.text)], now=note.noted_at
    )
    await tx.execute(
        """insert into payments.dispute_notes (tenant_id, id, dispute_id, text, author, noted_at)
           values ($1, $2, $3, $4, $5, $6)""",
        dispute.tenant_id,
        note.id,
        note.dispute_id,
        text,
        note.author,
        note.noted_at,
    )


async def notes(tx: Tx, dispute: Ref) -> list[DisputeNote]:
    rows = await tx.fetch(
        f"""select t.*, {NOTES.subject} as subject from payments.dispute_notes t
             where t.tenant_id = $1 and t.dispute_id = $2 order by t.id""",
        *dispute,
    )
    texts = await open_words(
        tx, [Words(TenantId(row["tenant_id"]), row["subject"], NOTES.field, row["text"]) for row in rows]
    )
    return [
        DisputeNote(
            id=row["id"],
            dispute_id=row["dispute_id"],
            text=text,
            author=row["author"],
            noted_at=row["noted_at"],
        )
        for row, text in zip(rows, texts, strict=True)
    ]


async def keep_news(tx: Tx, told: Sequence[tuple[UUID, DisputeTold]], *, check_due_at: datetime) -> None:
    """Keep news whose payment is not known."""
    if not told:
        return
    news = [each for _, each in told]
    await tx.execute(
        """insert into payments.dispute_news (tenant_id, id, account_id, gateway, dispute_ref, charge_ref, provider_ref,
               status, amount_minor, currency, fee_minor, fee_currency, reason, respond_by, noticed_at, check_due_at)
           select v.*, $16::timestamptz from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
               $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::bigint[], $12::text[], $13::text[],
               $14::timestamptz[], $15::timestamptz[]) as v""",
        [each.tenant_id for each in news],
        [news_id for news_id, _ in told],
        [each.account_id for each in news],
        [each.gateway for each in news],
        [each.news.dispute_ref for each in news],
        [each.news.charge_ref for each in news],
        [each.news.provider_ref for each in news],
        [each.news.status.value for each in news],
        [each.news.amount.minor for each in news],
        [each.news.amount.currency for each in news],
        [each.news.fee.minor if each.news.fee else None for each in news],
        [each.news.fee.currency if each.news.fee else None for each in news],
        [each.news.reason for each in news],
        [each.news.respond_by for each in news],
        [each.at for each in news],
        check_due_at,
    )


async def claim_news(tx: Tx, refs: Sequence[Ref]) -> list[tuple[UUID, DisputeTold]]:
    """Lock these news where they still wait, in the order in which they came."""
    rows = await tx.fetch(
        f"""select * from payments.dispute_news where {_NAMED} and check_due_at is not null
            order by tenant_id, id for update skip locked""",
        *_split(refs),
    )
    return [(row["id"], _news_from_row(row)) for row in rows]


async def waiting_for(tx: Tx, payments: Sequence[tuple[TenantId, UUID, str, str]]) -> list[Ref]:
    """Return the news that wait for payments named so: tenant, account, charge and object at the provider."""
    rows = await tx.fetch(
        """select distinct n.tenant_id, n.id from payments.dispute_news n
           join unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as p (tenant_id, account_id, charge, object)
             on p.tenant_id = n.tenant_id and p.account_id = n.account_id
            and ((n.charge_ref <> '' and n.charge_ref = p.charge)
                 or (n.provider_ref <> '' and n.provider_ref = p.object))
           where n.check_due_at is not null""",
        [each[0] for each in payments],
        [each[1] for each in payments],
        [each[2] for each in payments],
        [each[3] for each in payments],
    )
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


async def news_found(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    if refs:
        await tx.execute(
            f"update payments.dispute_news set check_due_at = null, found_at = $3 where {_NAMED}", *_split(refs), now
        )


async def look_again(tx: Tx, due: Sequence[tuple[Ref, datetime | None]]) -> None:
    """Say when each of these news is looked at again; None: never."""
    if due:
        await tx.execute(
            """update payments.dispute_news n set check_due_at = v.due_at
               from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, id, due_at)
               where n.tenant_id = v.tenant_id and n.id = v.id""",
            *_split([ref for ref, _ in due]),
            [due_at for _, due_at in due],
        )


def key_of(dispute: Dispute) -> Key:
    return dispute.tenant_id, dispute.account_id, dispute.dispute_ref


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _fee(row: Row) -> Money | None:
    return Money(row["fee_minor"], row["fee_currency"]) if row["fee_minor"] is not None else None


def _news_from_row(row: Row) -> DisputeTold:
    return DisputeTold(
        tenant_id=TenantId(row["tenant_id"]),
        account_id=row["account_id"],
        gateway=row["gateway"],
        news=DisputeNews(
            dispute_ref=row["dispute_ref"],
            charge_ref=row["charge_ref"],
            provider_ref=row["provider_ref"],
            status=DisputeStatus(row["status"]),
            amount=Money(row["amount_minor"], row["currency"]),
            reason=row["reason"],
            fee=_fee(row),
            respond_by=row["respond_by"],
        ),
        at=row["noticed_at"],
    )


def _from_row(row: Row) -> Dispute:
    return Dispute(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        payment_id=row["payment_id"],
        invoice_id=row["invoice_id"],
        customer_id=CustomerId(row["customer_id"]),
        account_id=row["account_id"],
        gateway=row["gateway"],
        dispute_ref=row["dispute_ref"],
        amount=Money(row["amount_minor"], row["currency"]),
        status=DisputeStatus(row["status"]),
        noticed_at=row["noticed_at"],
        fee=_fee(row),
        reason=row["reason"],
        alert=row["alert"],
        respond_by=row["respond_by"],
        opened_at=row["opened_at"],
        decided_at=row["decided_at"],
    )
