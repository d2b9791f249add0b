"""What of access is given to its customer, and what is forgotten with it."""

from collections.abc import AsyncIterator

from guilder.domain.entitlements.store.standings import touch
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx


async def forget(tx: Tx, customer: Ref, *, alias: str) -> None:
    name = await tx.fetchval(
        "select organization_id from entitlements.accounts where tenant_id = $1 and customer_id = $2", *customer
    )
    touch(tx, customer, *([name] if name else []))
    for table in ("accounts", "standings"):
        await tx.execute(
            f"""update entitlements.{table} set organization_id = $3
                 where tenant_id = $1 and customer_id = $2 and organization_id <> $3""",
            *customer,
            alias,
        )


def grants(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "access",
        """select source_id, kind, code, version, features::text as features_json, limits::text as limits_json,
                  valid_from, valid_until, is_renewing, is_suspended, ended_at
             from entitlements.grants where tenant_id = $1 and customer_id = $2 order by source_id""",
        tx.tenant_id,
        customer_id,
    )


def blocks(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "access_blocks",
        """select cause_id, reason, since, lifted_at from entitlements.blocks
            where tenant_id = $1 and customer_id = $2 order by cause_id""",
        tx.tenant_id,
        customer_id,
    )
