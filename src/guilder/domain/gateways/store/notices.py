"""Providers' webhooks, each once, as they came."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.gateways.model import NewNotice
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealing

_BODY = "gateways.notices.sealed_body"


async def insert_notices(tx: Tx, notices: Sequence[NewNotice]) -> set[UUID]:
    """Keep notices; return the ids of those that had not come before, of one that came twice the first's."""
    bodies = await tx.vault.seal_many(
        tx, [Sealing(each.tenant_id, each.tenant_id, _BODY, each.body) for each in notices], now=notices[0].received_at
    )
    rows = await tx.fetch(
        """insert into gateways.notices
               (tenant_id, id, account_id, notice_id, type, business_key, ignored_because, sealed_body, received_at)
           select n.*
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::bytea[], $9::timestamptz[])
                  as n (tenant_id, id, account_id, notice_id, type, business_key, ignored_because, sealed_body,
                        received_at)
            -- In one order for everybody, so that two who are told the same wait for each other and never clash.
            order by n.tenant_id, n.account_id, n.notice_id collate "C", n.id
           on conflict (tenant_id, account_id, notice_id) do nothing returning id""",
        [each.tenant_id for each in notices],
        [each.id for each in notices],
        [each.account_id for each in notices],
        [each.notice_id for each in notices],
        [each.type for each in notices],
        [each.business_key for each in notices],
        [each.ignored_because for each in notices],
        bodies,
        [each.received_at for each in notices],
    )
    return {row["id"] for row in rows}


async def count_notices(tx: Tx, account_id: UUID) -> int:
    return int(await tx.fetchval("select count(*) from gateways.notices where account_id = $1", account_id))
