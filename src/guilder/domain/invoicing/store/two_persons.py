"""The SQL of credit that takes two persons."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.invoicing.rules.two_persons import CreditKind, CreditRequest, NoteTerms, RequestStatus
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_REASON = "invoicing.credit_requests.reason"


async def insert(tx: Tx, request: CreditRequest, *, now: datetime) -> None:
    sealing = Sealing(request.tenant_id, request.customer_id, _REASON, request.reason)
    # What is still given for somebody who was erased is counted all the same; why, is not kept.
    [sealed] = await tx.vault.seal_where_kept(tx, [sealing], now=now)
    await tx.execute(
        """insert into invoicing.credit_requests (tenant_id, id, kind, status, customer_id, invoice_id, amount_minor,
               currency, terms, sealed_reason, is_alone, asked_by, asked_at, decided_by, decided_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13, $14, $15)""",
        request.tenant_id,
        request.id,
        request.kind.value,
        request.status.value,
        request.customer_id,
        request.invoice_id,
        request.amount.minor,
        request.amount.currency,
        msgspec.json.encode(request.terms).decode(),
        sealed,
        request.is_alone,
        request.asked_by,
        request.asked_at,
        request.decided_by,
        request.decided_at,
    )


async def save(tx: Tx, requests: Sequence[CreditRequest]) -> None:
    await tx.execute(
        """update invoicing.credit_requests r set status = v.status, decided_by = v.decided_by,
               decided_at = v.decided_at, made_id = v.made_id
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])
               as v (tenant_id, id, status, decided_by, decided_at, made_id)
           where r.tenant_id = v.tenant_id and r.id = v.id""",
        *split([each.ref for each in requests]),
        [each.status.value for each in requests],
        [each.decided_by for each in requests],
        [each.decided_at for each in requests],
        [each.made_id for each in requests],
    )


async def get(tx: Tx, request_id: UUID, *, lock: bool = False) -> CreditRequest | None:
    row = await tx.fetchrow(
        f"""select *, terms::text as terms_json from invoicing.credit_requests
            where tenant_id = $1 and id = $2 and not is_alone {"for update" if lock else ""}""",
        tx.tenant_id,
        request_id,
    )
    return (await _opened(tx, [row]))[0] if row else None


async def lock_due(tx: Tx, refs: Sequence[Ref], *, before: datetime) -> list[CreditRequest]:
    """Lock those of these that have waited since before then."""
    rows = await tx.fetch(
        """select *, terms::text as terms_json from invoicing.credit_requests
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and status = 'requested'
             and asked_at <= $3 order by tenant_id, id for update skip locked""",
        *split(refs),
        before,
    )
    return await _opened(tx, rows)


async def listing(
    tx: Tx, query: PageQuery, *, customer_id: CustomerId | None, status: RequestStatus | None
) -> list[CreditRequest]:
    rows = await tx.fetch(
        """select *, terms::text as terms_json from invoicing.credit_requests
           where not is_alone and ($1::uuid is null or customer_id = $1) and ($2::text is null or status = $2)
             and ($3::uuid is null or id < $3) order by id desc limit $4""",
        customer_id,
        status.value if status else None,
        query.after,
        query.limit + 1,
    )
    return await _opened(tx, rows)


async def waiting_of(tx: Tx, customer_id: CustomerId) -> int:
    count: int = await tx.fetchval(
        """select count(*) from invoicing.credit_requests
           where tenant_id = $1 and customer_id = $2 and status = 'requested'""",
        tx.tenant_id,
        customer_id,
    )
    return count


async def given_alone(tx: Tx, *, customer: Ref, currency: str, since: datetime) -> int:
    """Return what single persons gave a locked customer since then, in minor units."""
    total: int = await tx.fetchval(
        """select coalesce(sum(amount_minor), 0)::bigint from invoicing.credit_requests
           where tenant_id = $1 and customer_id = $2 and currency = $3 and asked_at > $4 and is_alone""",
        *customer,
        currency,
        since,
    )
    return total


async def _opened(tx: Tx, rows: Sequence[Row]) -> list[CreditRequest]:
    sealed = [Sealed(row["tenant_id"], row["customer_id"], _REASON, row["sealed_reason"]) for row in rows]
    reasons = await tx.vault.open_many(tx, sealed)
    return [_from_row(row, reason or "") for row, reason in zip(rows, reasons, strict=True)]


def _from_row(row: Row, reason: str) -> CreditRequest:
    return CreditRequest(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        kind=CreditKind(row["kind"]),
        status=RequestStatus(row["status"]),
        customer_id=CustomerId(row["customer_id"]),
        amount=Money(row["amount_minor"], row["currency"]),
        reason=reason,
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        invoice_id=row["invoice_id"],
        terms=msgspec.json.decode(row["terms_json"], type=NoteTerms),
        is_alone=row["is_alone"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        made_id=row["made_id"],
    )
