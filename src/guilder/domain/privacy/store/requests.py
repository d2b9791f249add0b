"""Requests as rows. What people wrote is sealed under the tenant's key: the proof outlives the subject."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.privacy.model import Kept, Matter, Request, RequestKind, State
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_SEALED = ("reason", "outcome", "name")
_SELECT = "select *, waits_for::text as waits_json, kept::text as kept_json from privacy.requests"


async def insert(tx: Tx, request: Request, *, now: datetime) -> None:
    await tx.execute(
        """insert into privacy.requests (tenant_id, id, customer_id, kind, state, asked_by, asked_at, due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        request.tenant_id,
        request.id,
        request.customer_id,
        request.kind.value,
        request.state.value,
        request.asked_by,
        request.asked_at,
        request.due_at,
    )
    await save(tx, request, now=now)


async def save(tx: Tx, request: Request, *, now: datetime) -> None:
    reason, outcome, name = await _sealed(tx, request, now)
    await tx.execute(
        """update privacy.requests
              set state = $3, granted_by = $4, ends_subscriptions = $5, sealed_reason = $6, sealed_outcome = $7,
                  sealed_name = $8, legal_ground = $9, waits_for = $10::jsonb, kept = $11::jsonb, step = $12,
                  step_at = $13, next_at = $14, done_at = $15, file_path = $16, file_bytes = $17, file_expires_at = $18,
                  asked_by = $19
            where tenant_id = $1 and id = $2""",
        *request.ref,
        request.state.value,
        request.granted_by,
        request.ends_subscriptions,
        reason,
        outcome,
        name,
        request.legal_ground,
        msgspec.json.encode(request.waits_for).decode(),
        msgspec.json.encode(request.kept).decode(),
        request.step,
        request.step_at,
        request.next_at,
        request.done_at,
        request.file_path,
        request.file_bytes,
        request.file_expires_at,
        request.asked_by,
    )


async def get(tx: Tx, request_id: UUID, *, lock: bool = False) -> Request | None:
    rows = await tx.fetch(
        f"{_SELECT} where tenant_id = $1 and id = $2 {'for update' if lock else ''}", tx.tenant_id, request_id
    )
    return next(iter(await _requests(tx, rows)), None)


async def lock_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Request]:
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and next_at <= $3
             order by tenant_id, id for update skip locked""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
        now,
    )
    return await _requests(tx, rows)


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: CustomerId | None,
    kind: RequestKind | None,
    state: State | None,
) -> list[Request]:
    """Read one more row than the page holds."""
    rows = await tx.fetch(
        f"""{_SELECT} where tenant_id = $1 and ($2::uuid is null or customer_id = $2) and ($3::text is null or kind = $3)
             and ($4::text is null or state = $4) and ($5::uuid is null or id < $5) order by id desc limit $6""",
        tx.tenant_id,
        customer_id,
        kind.value if kind else None,
        state.value if state else None,
        query.after,
        query.limit + 1,
    )
    return await _requests(tx, rows)


async def of_customer(tx: Tx, customer: Ref) -> list[Request]:
    rows = await tx.fetch(f"{_SELECT} where tenant_id = $1 and customer_id = $2 order by id limit 500", *customer)
    return await _requests(tx, rows)


async def wake(tx: Tx, customers: Sequence[Ref], *, now: datetime) -> None:
    """Look again at once at what waits for something of these customers."""
    await tx.execute(
        """update privacy.requests set next_at = $3
            where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
              and state = 'waiting' and next_at > $3""",
        [ref.tenant_id for ref in customers],
        [ref.id for ref in customers],
        now,
    )


async def forget_askers(tx: Tx, customer: Ref) -> None:
    """Keep that a user of the customer asked, or consented, and not which."""
    await tx.execute(
        """update privacy.consents set recorded_by = 'user'
            where tenant_id = $1 and customer_id = $2 and starts_with(recorded_by, 'user:')""",
        *customer,
    )
    await tx.execute(
        """update privacy.requests set asked_by = 'user'
            where tenant_id = $1 and customer_id = $2 and starts_with(asked_by, 'user:')""",
        *customer,
    )


async def _sealed(tx: Tx, request: Request, now: datetime) -> list[bytes]:
    said = [(field, getattr(request, field)) for field in _SEALED]
    items = [
        Sealing(request.tenant_id, request.tenant_id, f"privacy.requests.sealed_{field}", text)
        for field, text in said
        if text
    ]
    sealed = iter(await tx.vault.seal_many(tx, items, now=now) if items else [])
    return [next(sealed) if text else b"" for _, text in said]


async def _requests(tx: Tx, rows: Sequence[Row]) -> list[Request]:
    wanted = [(number, field) for number, row in enumerate(rows) for field in _SEALED if row[f"sealed_{field}"]]
    items = [
        Sealed(
            TenantId(rows[number]["tenant_id"]),
            rows[number]["tenant_id"],
            f"privacy.requests.sealed_{field}",
            rows[number][f"sealed_{field}"],
        )
        for number, field in wanted
    ]
    texts = await tx.vault.open_many(tx, items) if items else []
    said = {key: text or "" for key, text in zip(wanted, texts, strict=True)}
    return [
        _request(row, {field: said.get((number, field), "") for field in _SEALED}) for number, row in enumerate(rows)
    ]


def _request(row: Row, said: dict[str, str]) -> Request:
    return Request(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        kind=RequestKind(row["kind"]),
        state=State(row["state"]),
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        due_at=row["due_at"],
        granted_by=row["granted_by"],
        ends_subscriptions=row["ends_subscriptions"],
        legal_ground=row["legal_ground"],
        waits_for=msgspec.json.decode(row["waits_json"], type=tuple[Matter, ...]),
        kept=msgspec.json.decode(row["kept_json"], type=tuple[Kept, ...]),
        step=row["step"],
        step_at=row["step_at"],
        next_at=row["next_at"],
        done_at=row["done_at"],
        file_path=row["file_path"],
        file_bytes=row["file_bytes"],
        file_expires_at=row["file_expires_at"],
        **said,
    )
