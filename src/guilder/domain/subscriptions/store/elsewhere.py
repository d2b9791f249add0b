"""What providers bill themselves: found by its name there, or kept until somebody links it."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from guilder.domain.gateways.model import ElsewhereNews
from guilder.domain.subscriptions.model import Told
from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx

Name = tuple[TenantId, UUID, str]


async def hold(tx: Tx, names: Sequence[Name]) -> None:
    """Let whoever else links these, or hears of them, wait for this transaction: news that comes while one is being linked
    would be kept for a link that has been made."""
    await tx.execute(
        """select pg_advisory_xact_lock(k) from (
               select distinct hashtextextended(format('subscriptions.elsewhere:%s:%s:%s', v.tenant_id, v.account_id, v.ref), 0) as k
                 from unnest($1::uuid[], $2::uuid[], $3::text[]) as v (tenant_id, account_id, ref) order by k) each""",
        *_columns(names),
    )


async def named(tx: Tx, names: Sequence[Name]) -> dict[Name, Ref]:
    """Return which subscriptions are called so by these accounts' providers."""
    rows = await tx.fetch(
        """select tenant_id, id, billed_by, provider_ref from subscriptions.subscriptions
           where (tenant_id, billed_by, provider_ref) in (select * from unnest($1::uuid[], $2::uuid[], $3::text[]))""",
        *_columns(names),
    )
    return {
        (TenantId(row["tenant_id"]), row["billed_by"], row["provider_ref"]): Ref(row["tenant_id"], row["id"])
        for row in rows
    }


async def keep_unlinked(tx: Tx, told: Sequence[Told]) -> None:
    """Keep the latest news of what nobody has linked."""
    await tx.execute(
        """insert into subscriptions.unlinked as u (tenant_id, id, account_id, provider_ref, news, told_at)
           select distinct on (v.tenant_id, v.account_id, v.provider_ref) v.tenant_id, v.id, v.account_id,
                  v.provider_ref, v.news::jsonb, v.told_at
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
               as v (tenant_id, id, account_id, provider_ref, news, told_at)
           order by v.tenant_id, v.account_id, v.provider_ref, v.told_at desc
           on conflict (tenant_id, account_id, provider_ref) do update
               set news = excluded.news, told_at = excluded.told_at where u.told_at < excluded.told_at""",
        [each.tenant_id for each in told],
        [ids.new(each.at) for each in told],
        [each.account_id for each in told],
        [each.news.subscription_ref for each in told],
        [msgspec.json.encode(each.news).decode() for each in told],
        [each.at for each in told],
    )


async def take_unlinked(tx: Tx, account: Ref, provider_ref: str) -> Told | None:
    """Return the latest news of something that is linked now, and keep it no more."""
    row = await tx.fetchrow(
        """delete from subscriptions.unlinked where tenant_id = $1 and account_id = $2 and provider_ref = $3
           returning news::text as news, told_at""",
        *account,
        provider_ref,
    )
    if row is None:
        return None
    news = msgspec.json.decode(row["news"], type=ElsewhereNews)
    return Told(tenant_id=account.tenant_id, account_id=account.id, news=news, at=row["told_at"])


def _columns(names: Sequence[Name]) -> tuple[list[UUID], list[UUID], list[str]]:
    return [each[0] for each in names], [each[1] for each in names], [each[2] for each in names]
