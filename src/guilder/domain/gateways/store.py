"""The SQL of gateways."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import (
    Asked,
    GatewayAccount,
    GatewayRequest,
    NewNotice,
    OpenAccount,
    OutcomeKind,
    RequestKind,
)
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_SECRET = "gateways.accounts.sealed_secret"  # noqa: S105  (what a secret is sealed as)
_ENDPOINT_SECRET = "gateways.accounts.sealed_endpoint_secret"  # noqa: S105
_TOKEN = "gateways.requests.sealed_token"  # noqa: S105
_BODY = "gateways.notices.sealed_body"
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert_account(
    tx: Tx, account: GatewayAccount, *, secret_key: str, endpoint_secret: str, hears_bare_path: bool, now: datetime
) -> None:
    secret, endpoint = await tx.vault.seal_many(
        tx,
        [
            Sealing(account.tenant_id, account.tenant_id, _SECRET, secret_key),
            Sealing(account.tenant_id, account.tenant_id, _ENDPOINT_SECRET, endpoint_secret),
        ],
        now=now,
    )
    await tx.execute(
        """insert into gateways.accounts (tenant_id, id, gateway, name, sealed_secret, sealed_endpoint_secret,
               endpoint_id, provider_account, is_on_own_clock, is_default, is_active, hears_bare_path, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
        account.tenant_id,
        account.id,
        account.gateway,
        account.name,
        secret,
        endpoint,
        account.endpoint_id,
        account.provider_account,
        account.is_on_own_clock,
        account.is_default,
        account.is_active,
        hears_bare_path,
        account.created_at,
    )


async def change_secret(tx: Tx, ref: Ref, *, secret_key: str, provider_account: str, now: datetime) -> None:
    [secret] = await tx.vault.seal_many(tx, [Sealing(ref.tenant_id, ref.tenant_id, _SECRET, secret_key)], now=now)
    await tx.execute(
        """update gateways.accounts set sealed_secret = $3, provider_account = $4, refused_at = null
           where tenant_id = $1 and id = $2""",
        *ref,
        secret,
        provider_account,
    )


async def clear_default(tx: Tx, tenant_id: TenantId) -> None:
    await tx.execute("update gateways.accounts set is_default = false where tenant_id = $1 and is_default", tenant_id)


async def accounts(tx: Tx) -> list[GatewayAccount]:
    rows = await tx.fetch("select * from gateways.accounts order by tenant_id, id limit 1000")
    return [_account_from_row(row) for row in rows]


async def accounts_of(tx: Tx, refs: Sequence[Ref]) -> list[GatewayAccount]:
    rows = await tx.fetch(f"select * from gateways.accounts where {_NAMED}", *_split(refs))
    return [_account_from_row(row) for row in rows]


async def default_accounts(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[GatewayAccount]:
    rows = await tx.fetch(
        "select * from gateways.accounts where tenant_id = any ($1::uuid[]) and is_default and is_active",
        list(tenant_ids),
    )
    return [_account_from_row(row) for row in rows]


async def open_accounts(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, OpenAccount]:
    """Read accounts with their secrets."""
    rows = await tx.fetch(f"select * from gateways.accounts where {_NAMED}", *_split(sorted(set(refs))))
    sealed = [
        Sealed(TenantId(row["tenant_id"]), row["tenant_id"], name, row[column])
        for row in rows
        for name, column in ((_SECRET, "sealed_secret"), (_ENDPOINT_SECRET, "sealed_endpoint_secret"))
    ]
    opened = [text or "" for text in await tx.vault.open_many(tx, sealed)]
    return {
        Ref(TenantId(row["tenant_id"]), row["id"]): OpenAccount(
            account=_account_from_row(row), secret_key=opened[2 * n], endpoint_secret=opened[2 * n + 1]
        )
        for n, row in enumerate(rows)
    }


async def find_endpoint(tx: Tx, endpoint_id: UUID) -> Ref | None:
    """Find whose webhook endpoint this is, before any tenant is known."""
    row = await tx.fetchrow("select tenant_id, id from gateways.find_endpoint($1)", endpoint_id)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def find_bare_endpoint(tx: Tx, gateway: str) -> Ref | None:
    row = await tx.fetchrow("select tenant_id, id from gateways.find_bare_endpoint($1)", gateway)
    return Ref(TenantId(row["tenant_id"]), row["id"]) if row else None


async def mark_registered(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    await tx.execute(
        f"update gateways.accounts set registered_at = $3, refused_at = null where {_NAMED}", *_split(refs), now
    )


async def mark_refused(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[GatewayAccount]:
    """Note that the provider refuses these accounts' keys; return those of which it was not known."""
    rows = await tx.fetch(
        f"""with before as (select tenant_id, id, refused_at from gateways.accounts where {_NAMED} for update)
            update gateways.accounts a set refused_at = $3 from before b
            where a.tenant_id = b.tenant_id and a.id = b.id returning a.*, b.refused_at is null as is_new""",
        *_split(sorted(set(refs))),
        now,
    )
    return [_account_from_row(row) for row in rows if row["is_new"]]


async def clear_refused(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(f"update gateways.accounts set refused_at = null where {_NAMED}", *_split(sorted(set(refs))))


async def upsert_requests(
    tx: Tx, requests: Sequence[GatewayRequest], *, check_due_at: datetime, now: datetime
) -> dict[tuple[TenantId, str, str], UUID]:
    """Write requests; one that is there under its business key stays, and is looked at anew. Return all ids by key."""
    tokens = await tx.vault.seal_many(
        tx, [Sealing(r.tenant_id, r.customer_id, _TOKEN, r.method_token) for r in requests if r.method_token], now=now
    )
    sealed = iter(tokens)
    rows = await tx.fetch(
        """insert into gateways.requests as r (tenant_id, id, account_id, kind, business_key, subject_id, customer_id,
               amount_minor, currency, sealed_token, provider_ref, is_on_session, return_url, description, outcome,
               decline_code, is_hard_decline, is_withdrawn, is_settled, tries, sessions, requested_at, check_due_at)
           select v.*, '', '', false, false, false, 0, 0, $15, $16
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::bigint[],
                       $9::text[], $10::bytea[], $11::text[], $12::boolean[], $13::text[], $14::text[])
               as v (tenant_id, id, account_id, kind, business_key, subject_id, customer_id, amount_minor, currency,
                     sealed_token, provider_ref, is_on_session, return_url, description)
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
    )
    return {(TenantId(row["tenant_id"]), row["kind"], row["business_key"]): row["id"] for row in rows}


async def lock_requests(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Asked]:
    """Lock requests and read them, with their tokens."""
    rows = await tx.fetch(
        f"select * from gateways.requests where {_NAMED} order by tenant_id, id for update", *_split(refs)
    )
    return {asked.ref: asked for asked in await _asked(tx, rows)}


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


async def claim_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Asked]:
    """Lock those of `refs` that have waited for an answer long enough, and that nobody else is at."""
    rows = await tx.fetch(
        f"""select * from gateways.requests where {_NAMED} and check_due_at <= $3
            order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return await _asked(tx, rows)


async def known(tx: Tx, *, account: Ref, kind: str, business_key: str) -> tuple[Ref, UUID] | None:
    """Find what was asked of this account under a business key: the request, and whose it is."""
    row = await tx.fetchrow(
        """select id, customer_id from gateways.requests
           where tenant_id = $1 and account_id = $2 and kind = $3 and business_key = $4""",
        *account,
        kind,
        business_key,
    )
    return (Ref(account.tenant_id, row["id"]), row["customer_id"]) if row else None


async def save_tokens(tx: Tx, tokens: Sequence[tuple[Ref, UUID, str]], *, now: datetime) -> None:
    """Keep the tokens of cards that customers typed at the provider, sealed under each customer's key."""
    if not tokens:
        return
    sealed = await tx.vault.seal_many(
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


async def insert_notice(tx: Tx, notice: NewNotice) -> bool:
    """Keep a notice; False if it came before."""
    [body] = await tx.vault.seal_many(
        tx, [Sealing(notice.tenant_id, notice.tenant_id, _BODY, notice.body)], now=notice.received_at
    )
    return bool(
        await tx.execute(
            """insert into gateways.notices
                   (tenant_id, id, account_id, notice_id, type, business_key, ignored_because, sealed_body, received_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (tenant_id, account_id, notice_id) do nothing""",
            notice.tenant_id,
            notice.id,
            notice.account_id,
            notice.notice_id,
            notice.type,
            notice.business_key,
            notice.ignored_because,
            body,
            notice.received_at,
        )
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


def _account_from_row(row: Row) -> GatewayAccount:
    return GatewayAccount(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        gateway=row["gateway"],
        name=row["name"],
        is_default=row["is_default"],
        is_active=row["is_active"],
        created_at=row["created_at"],
        endpoint_id=row["endpoint_id"],
        provider_account=row["provider_account"],
        is_on_own_clock=row["is_on_own_clock"],
        registered_at=row["registered_at"],
        refused_at=row["refused_at"],
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
