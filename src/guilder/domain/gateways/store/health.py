"""How calls to accounts end, and which accounts are down."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import Health, Tally
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx


async def count(tx: Tx, tallies: Sequence[Tally]) -> None:
    """Add what calls came to, to their accounts' hours."""
    await tx.execute(
        """insert into gateways.health as h (tenant_id, account_id, hour, succeeded, declined, unknown, outages)
           select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[])
               as v (tenant_id, account_id, hour, succeeded, declined, unknown, outages)
           order by v.tenant_id, v.account_id, v.hour
           on conflict (tenant_id, account_id, hour) do update set succeeded = h.succeeded + excluded.succeeded,
               declined = h.declined + excluded.declined, unknown = h.unknown + excluded.unknown,
               outages = h.outages + excluded.outages""",
        [each.account.tenant_id for each in tallies],
        [each.account.id for each in tallies],
        [each.hour for each in tallies],
        [each.succeeded for each in tallies],
        [each.declined for each in tallies],
        [each.unknown for each in tallies],
        [each.outages for each in tallies],
    )


async def lock_outages(tx: Tx, accounts: Sequence[Ref]) -> dict[Ref, tuple[int, datetime | None]]:
    """Lock accounts and read how many calls in a row went without an answer, and until when each is down."""
    rows = await tx.fetch(
        """select tenant_id, id, outages, down_until from gateways.accounts
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by tenant_id, id for no key update""",
        *_split(accounts),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): (row["outages"], row["down_until"]) for row in rows}


async def save_outages(tx: Tx, standing: Sequence[tuple[Ref, int, datetime | None]]) -> None:
    await tx.execute(
        """update gateways.accounts a set outages = v.outages, down_until = v.down_until
           from unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[]) as v (tenant_id, id, outages, down_until)
           where a.tenant_id = v.tenant_id and a.id = v.id""",
        *_split([ref for ref, _, _ in standing]),
        [outages for _, outages, _ in standing],
        [down_until for _, _, down_until in standing],
    )


async def since(tx: Tx, hour: datetime) -> dict[UUID, Health]:
    """Return, by account, what the calls since this hour came to."""
    rows = await tx.fetch(
        """select account_id, sum(succeeded)::int as succeeded, sum(declined)::int as declined,
                  sum(unknown)::int as unknown, sum(outages)::int as outages
           from gateways.health where tenant_id = $1 and hour >= $2 group by account_id""",
        tx.tenant_id,
        hour,
    )
    return {
        row["account_id"]: Health(
            succeeded=row["succeeded"], declined=row["declined"], unknown=row["unknown"], outages=row["outages"]
        )
        for row in rows
    }


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
