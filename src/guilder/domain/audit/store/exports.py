"""Exports: what was asked for, and where the files lie."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.audit.model import Export, Filter
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row, Tx

_COLUMNS = "tenant_id, id, wanted, asked_by, asked_at, ended_at, records, is_complete, lines_path, table_path"


async def insert(tx: Tx, export: Export) -> None:
    await tx.execute(
        "insert into audit.exports (tenant_id, id, wanted, asked_by, asked_at) values ($1, $2, $3, $4, $5)",
        export.tenant_id,
        export.id,
        json.dumps(_written(export.wanted)),
        export.asked_by,
        export.asked_at,
    )


async def get(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Export]:
    rows = await tx.fetch(
        f"""select {_COLUMNS} from audit.exports
             where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    return {Ref(row["tenant_id"], row["id"]): _export(row) for row in rows}


async def listing(tx: Tx, tenant_id: TenantId, *, after: UUID | None, limit: int) -> list[Export]:
    rows = await tx.fetch(
        f"""select {_COLUMNS} from audit.exports where tenant_id = $1 and ($2::uuid is null or id < $2)
             order by id desc limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [_export(row) for row in rows]


async def end(
    tx: Tx, ref: Ref, *, records: int, is_complete: bool, lines_path: str, table_path: str, now: datetime
) -> int:
    """Keep where the files lie; return 0 where that was known."""
    return await tx.execute(
        """update audit.exports set records = $3, is_complete = $4, lines_path = $5, table_path = $6, ended_at = $7
            where tenant_id = $1 and id = $2 and ended_at is null""",
        ref.tenant_id,
        ref.id,
        records,
        is_complete,
        lines_path,
        table_path,
        now,
    )


def _written(wanted: Filter) -> dict[str, Any]:
    said = {name: getattr(wanted, name) for name in Filter.__slots__}
    return {name: _text(value) for name, value in said.items() if value is not None}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _read(said: dict[str, str]) -> Filter:
    return Filter(
        actor=said.get("actor"),
        action=said.get("action"),
        object_id=UUID(said["object_id"]) if "object_id" in said else None,
        customer_id=CustomerId(UUID(said["customer_id"])) if "customer_id" in said else None,
        request_id=said.get("request_id"),
        since=datetime.fromisoformat(said["since"]) if "since" in said else None,
        until=datetime.fromisoformat(said["until"]) if "until" in said else None,
    )


def _export(row: Row) -> Export:
    return Export(**{**dict(row), "wanted": _read(json.loads(row["wanted"]))})
