"""Providers' webhooks, each once, as they came."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.gateways.model import NewNotice
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealing

_BODY = "gateways.notices.sealed_body"
_NOTICES = Columns(
    {
        "tenant_id": "uuid",
        "id": "uuid",
        "account_id": "uuid",
        "notice_id": "text",
        "type": "text",
        "business_key": "text",
        "ignored_because": "text",
        "sealed_body": "bytea",
        "received_at": "timestamptz",
    }
)
_INSERT = f"""insert into gateways.notices ({_NOTICES.names})
    select {_NOTICES.names} from {_NOTICES.table}
     -- In one order for everybody, so that two who are told the same wait for each other and never clash.
     order by tenant_id, account_id, notice_id collate "C", id
    on conflict (tenant_id, account_id, notice_id) do nothing returning id"""


async def insert_notices(tx: Tx, notices: Sequence[NewNotice]) -> set[UUID]:
    """Keep notices; return the ids of those that had not come before, of one that came twice the first's."""
    bodies = await tx.vault.seal_many(
        tx, [Sealing(each.tenant_id, each.tenant_id, _BODY, each.body) for each in notices], now=notices[0].received_at
    )
    rows = await tx.fetch(
        _INSERT,
        *_NOTICES.sent(
            [each.tenant_id for each in notices],
            [each.id for each in notices],
            [each.account_id for each in notices],
            [each.notice_id for each in notices],
            [each.type for each in notices],
            [each.business_key for each in notices],
            [each.ignored_because for each in notices],
            [sealed if each.body else b"" for each, sealed in zip(notices, bodies, strict=True)],
            [each.received_at for each in notices],
        ),
    )
    return {row["id"] for row in rows}


async def count_notices(tx: Tx, account_id: UUID) -> int:
    return int(await tx.fetchval("select count(*) from gateways.notices where account_id = $1", account_id))
