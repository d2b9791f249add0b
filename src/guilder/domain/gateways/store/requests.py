"""What was asked of providers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import Asked, GatewayRequest, OutcomeKind, RequestKind
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_TOKEN = "gateways.requests.sealed_token"  # noqa: S105  (what a token is sealed as)
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def upsert_requests(
    tx: Tx, requests: Sequence[GatewayRequest], *, check_due_at: datetime, now: datetime
) -> dict[tuple[TenantId, str, str], UUID]:
    """Write requests; one that is there under its business key stays, and is looked at anew. Return all ids by key."""
    tokens = await tx.vault.seal_where_kept(
        tx, [Sealing(r.tenant_id, r.customer_id, _TOKEN, r.method_token) for r in requests if r.method_token], now=now
    )
    sealed = iter(tokens)
    rows = await tx.fetch(
        """insert into gateways.requests as r (tenant_id, id, account_id, kind, business_key, subject_id, customer_id,
               amount_minor, currency, sealed_token, provider_ref, is_on_session, return_url, description, outcome,
               decline_code, is_hard_decline, is_withdrawn, is_settled, tries, sessions, requested_at, check_due_at,
               claim, charge_ref)
           select v.tenant_id, v.id, v.account_id, v.kind, v.business_key, v.subject_id, v.customer_id, v.amount_minor,
                  v.currency, v.sealed_token, v.provider_ref, v.is_on_session, v.return_url, v.description, '', '',
                  false, false, false, 0, 0, $15, $16, v.claim, v.charge_ref
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::bigint[],
                       $9::text[], $10::bytea[], $11::text[], $12::boolean[], $13::text[], $14::text[], $17::text[],
                       $18::text[])
               as v (tenant_id, id, account_id, kind, business_key, subject_id, customer_id, amount_minor, currency,
                     sealed_token, provider_ref, is_on_session, return_url, description, claim, charge_ref)
           order by v.tenant_id, v.kind, v.business_key
           on conflict (tenant_id, kind, business_key) do update
               set return_url = excluded.return_url, sessions = r.sessions + 1, requested_at = excluded.requested_at,
                   check_due_at = case when r.is_settled then null else excluded.check_due_at end
           returning r.tenant_id, r.kind, r.business_key, r.id""",
        [r.tenant_id for r in requests],
        [r.id for r in requests],
        [r.account_id for r in requests],
        [r.kind.value for r in requests],
        [r.business_key for r in requests],
        [r.subject_id for r in requests],
        [r.customer_id for r in requests],
        [r.amount.minor if r.amount else None for r in requests],
        [r.amount.currency if r.amount else None for r in requests],
        [next(sealed) if r.method_token else b"" for r in requests],
        [r.provider_ref for r in requests],
        [r.is_on_session for r in requests],
        [r.return_url for r in requests],
        [r.description for r in requests],
        now,
        check_due_at,
        [r.claim for r in requests],
        [r.charge_ref for r in requests],
    )
    return {(TenantId(row["tenant_id"]), row["kind"], row["business_key"]): row["id"] for row in rows}


async def lock_requests(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Asked]:
    """Lock requests and read them, with their tokens."""
    return {asked.ref: asked for asked in await _asked(tx, await _lock(tx, refs))}


async def lock_sealed(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Asked]:
    """Lock requests and read them without their tokens: for who asks nothing of a provider any more."""
    return {asked.ref: asked for asked in (_asked_from_row(row, "") for row in await _lock(tx, refs))}


async def charges_of(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> dict[tuple[TenantId, str], Asked]:
    """Lock and read the charges of these business keys."""
    rows = await tx.fetch(
        """select * from gateways.requests where kind = 'charge'
           and (tenant_id, business_key) in (select * from unnest($1::uuid[], $2::text[]))
           order by tenant_id, id for update""",
        [tenant_id for tenant_id, _ in keys],
        [key for _, key in keys],
    )
    return {(each.request.tenant_id, each.request.business_key): each for each in await _asked(tx, rows)}


async def withdraw(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> None:
    """Take charges back: no step of theirs begins any more."""
    await tx.execute(
        """update gateways.requests set is_withdrawn = true where kind = 'charge'
           and (tenant_id, business_key) in (select * from unnest($1::uuid[], $2::text[]))""",
        [tenant_id for tenant_id, _ in keys],
        [key for _, key in keys],
    )


async def settle(tx: Tx, kind: str, keys: Sequence[tuple[TenantId, str]]) -> None:
    """Note that this is done, outside of any call: nothing is asked about it any more."""
    await tx.execute(
        """update gateways.requests set is_settled = true, outcome = 'succeeded', check_due_at = null
           where kind = $3 and (tenant_id, business_key) in (select * from unnest($1::uuid[], $2::text[]))""",
        [tenant_id for tenant_id, _ in keys],
        [key for _, key in keys],
        kind,
    )


async def save_asked(tx: Tx, requests: Sequence[Asked]) -> None:
    if not requests:
        return
    await tx.execute(
        """update gateways.requests r set provider_ref = v.provider_ref, outcome = v.outcome,
               decline_code = v.decline_code, is_hard_decline = v.is_hard, is_settled = v.is_settled, tries = v.tries,
               check_due_at = v.check_due_at
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
                       $8::int[], $9::timestamptz[])
               as v (tenant_id, id, provider_ref, outcome, decline_code, is_hard, is_settled, tries, check_due_at)
           where r.tenant_id = v.tenant_id and r.id = v.id""",
        *_split([each.ref for each in requests]),
        [each.request.provider_ref for each in requests],
        [each.outcome.value if each.outcome else "" for each in requests],
        [each.decline_code for each in requests],
        [each.is_hard_decline for each in requests],
        [each.is_settled for each in requests],
        [each.tries for each in requests],
        [each.check_due_at for each in requests],
    )


async def due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Asked]:
    """Read those of `refs` that have waited for an answer long enough; nothing is locked."""
    return await _asked(
        tx, await tx.fetch(f"select * from gateways.requests where {_NAMED} and check_due_at <= $3", *_split(refs), now)
    )


async def claim_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Asked]:
    """Lock those of `refs` that have waited for an answer long enough, and that nobody else is at."""
    rows = await tx.fetch(
        f"""select * from gateways.requests where {_NAMED} and check_due_at <= $3
            order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return await _asked(tx, rows)


async def known(tx: Tx, *, account: Ref, named: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Ref, UUID]]:
    """Find what was asked of this account, by kind and business key: each request, and whose it is."""
    rows = await tx.fetch(
        """select r.id, r.customer_id, r.kind, r.business_key
             from unnest($3::text[], $4::text[]) as n (kind, business_key)
             join gateways.requests r on r.tenant_id = $1 and r.account_id = $2
                                     and r.kind = n.kind and r.business_key = n.business_key""",
        *account,
        [kind for kind, _ in named],
        [business_key for _, business_key in named],
    )
    return {(row["kind"], row["business_key"]): (Ref(account.tenant_id, row["id"]), row["customer_id"]) for row in rows}


async def save_tokens(tx: Tx, tokens: Sequence[tuple[Ref, UUID, str]], *, now: datetime) -> None:
    """Keep the tokens of cards that customers typed at the provider, sealed under each customer's key."""
    if not tokens:
        return
    sealed = await tx.vault.seal_where_kept(
        tx, [Sealing(ref.tenant_id, customer_id, _TOKEN, token) for ref, customer_id, token in tokens], now=now
    )
    await tx.execute(
        """update gateways.requests r set sealed_token = v.sealed
           from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as v (tenant_id, id, sealed)
           where r.tenant_id = v.tenant_id and r.id = v.id""",
        *_split([ref for ref, _, _ in tokens]),
        sealed,
    )


async def card_tokens(tx: Tx, kind: str, keys: Sequence[tuple[TenantId, str]]) -> dict[tuple[TenantId, str], str]:
    rows = await tx.fetch(
        """select * from gateways.requests where kind = $3 and sealed_token <> ''
           and (tenant_id, business_key) in (select * from unnest($1::uuid[], $2::text[]))""",
        [tenant_id for tenant_id, _ in keys],
        [key for _, key in keys],
        kind,
    )
    return {
        (each.request.tenant_id, each.request.business_key): each.request.method_token
        for each in await _asked(tx, rows)
    }


async def _lock(tx: Tx, refs: Sequence[Ref]) -> list[Row]:
    return await tx.fetch(
        f"select * from gateways.requests where {_NAMED} order by tenant_id, id for update", *_split(refs)
    )


async def _asked(tx: Tx, rows: Sequence[Row]) -> list[Asked]:
    with_token = [row for row in rows if row["sealed_token"]]
    opened = await tx.vault.open_many(
        tx, [Sealed(TenantId(r["tenant_id"]), r["customer_id"], _TOKEN, r["sealed_token"]) for r in with_token]
    )
    tokens = {(r["tenant_id"], r["id"]): text or "" for r, text in zip(with_token, opened, strict=True)}
    return [_asked_from_row(row, tokens.get((row["tenant_id"], row["id"]), "")) for row in rows]


def _asked_from_row(row: Row, token: str) -> Asked:
    amount = row["amount_minor"]
    return Asked(
        request=GatewayRequest(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            account_id=row["account_id"],
            gateway="",
            kind=RequestKind(row["kind"]),
            business_key=row["business_key"],
            subject_id=row["subject_id"],
            customer_id=row["customer_id"],
            amount=None if amount is None else Money(amount, row["currency"]),
            method_token=token,
            provider_ref=row["provider_ref"],
            is_on_session=row["is_on_session"],
            return_url=row["return_url"],
            description=row["description"],
            claim=row["claim"],
            charge_ref=row["charge_ref"],
        ),
        outcome=OutcomeKind(row["outcome"]) if row["outcome"] else None,
        decline_code=row["decline_code"],
        is_hard_decline=row["is_hard_decline"],
        is_withdrawn=row["is_withdrawn"],
        is_settled=row["is_settled"],
        tries=row["tries"],
        sessions=row["sessions"],
        requested_at=row["requested_at"],
        check_due_at=row["check_due_at"],
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
