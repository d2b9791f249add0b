"""What of the talk with providers is forgotten with a customer, or when it is old."""

from datetime import datetime

from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def forget(tx: Tx, customer: Ref) -> None:
    await tx.execute("delete from gateways.payers where tenant_id = $1 and customer_id = $2", *customer)
    await tx.execute(
        """update gateways.notices n set sealed_body = ''::bytea
             from gateways.requests r
            where r.tenant_id = $1 and r.customer_id = $2 and n.tenant_id = r.tenant_id
              and n.business_key = r.business_key and n.business_key <> '' and n.sealed_body <> ''::bytea""",
        *customer,
    )
    await tx.execute(
        """update gateways.requests set sealed_token = ''::bytea, description = '', return_url = ''
            where tenant_id = $1 and customer_id = $2
              and (sealed_token <> ''::bytea or description <> '' or return_url <> '')""",
        *customer,
    )


async def cut_notices(tx: Tx, *, before: datetime, limit: int) -> int:
    return await tx.execute(
        """update gateways.notices set sealed_body = ''::bytea
            where tenant_id = $1 and id in (select id from gateways.notices
                where tenant_id = $1 and received_at < $2 and sealed_body <> ''::bytea order by received_at limit $3)""",
        tx.tenant_id,
        before,
        limit,
    )


async def count_notices(tx: Tx, *, before: datetime, limit: int) -> int:
    return int(
        await tx.fetchval(
            """select count(*) from (select from gateways.notices where tenant_id = $1 and received_at < $2
                and sealed_body <> ''::bytea limit $3) old""",
            tx.tenant_id,
            before,
            limit,
        )
    )
