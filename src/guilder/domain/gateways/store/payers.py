"""What providers call our customers."""

from collections.abc import Sequence
from uuid import UUID

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx


async def of(tx: Tx, wanted: Sequence[tuple[Ref, UUID]]) -> dict[tuple[Ref, UUID], str]:
    """Return what each of these accounts' providers calls each of these customers, where it knows them."""
    rows = await tx.fetch(
        """select tenant_id, account_id, customer_id, payer_ref from gateways.payers
           where (tenant_id, account_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]))""",
        *_split(wanted),
    )
    return {(Ref(TenantId(row["tenant_id"]), row["account_id"]), row["customer_id"]): row["payer_ref"] for row in rows}


async def save(tx: Tx, known: Sequence[tuple[Ref, UUID, str]]) -> None:
    """Keep what providers call customers; the first name stays."""
    await tx.execute(
        """insert into gateways.payers (tenant_id, account_id, customer_id, payer_ref)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) on conflict do nothing""",
        *_split([(account, customer_id) for account, customer_id, _ in known]),
        [payer_ref for _, _, payer_ref in known],
    )


async def customer_of(tx: Tx, *, account: Ref, payer_ref: str) -> UUID | None:
    """Return whom this account's provider calls so."""
    found: UUID | None = await tx.fetchval(
        "select customer_id from gateways.payers where tenant_id = $1 and account_id = $2 and payer_ref = $3",
        *account,
        payer_ref,
    )
    return found


async def customers_of(tx: Tx, named: Sequence[tuple[Ref, str]]) -> dict[tuple[Ref, str], UUID]:
    """Return whom the providers of these accounts call so, where we know."""
    rows = await tx.fetch(
        """select tenant_id, account_id, payer_ref, customer_id from gateways.payers
           where (tenant_id, account_id, payer_ref) in (select * from unnest($1::uuid[], $2::uuid[], $3::text[]))""",
        [account.tenant_id for account, _ in named],
        [account.id for account, _ in named],
        [payer_ref for _, payer_ref in named],
    )
    return {(Ref(TenantId(row["tenant_id"]), row["account_id"]), row["payer_ref"]): row["customer_id"] for row in rows}


def _split(wanted: Sequence[tuple[Ref, UUID]]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    return (
        [account.tenant_id for account, _ in wanted],
        [account.id for account, _ in wanted],
        [customer_id for _, customer_id in wanted],
    )
