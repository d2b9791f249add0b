"""Providers' webhooks, each once, as they came."""

from uuid import UUID

from guilder.domain.gateways.model import NewNotice
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealing

_BODY = "gateways.notices.sealed_body"


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


async def count_notices(tx: Tx, account_id: UUID) -> int:
    return int(await tx.fetchval("select count(*) from gateways.notices where account_id = $1", account_id))
