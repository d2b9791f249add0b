"""Rows as they are handed to the person whom they are about: plain JSON values, read as they come, never all at once."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from guilder.platform.db.tx import Row, Tx

# A kind of record, as its file will be called, and one record of it.
Portable = tuple[str, dict[str, Any]]

READ_AT_ONCE = 500
_JSON = "_json"
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


async def portable(tx: Tx, kind: str, sql: str, *values: object) -> AsyncIterator[Portable]:
    """Read rows as records of a kind. A column called `x_json` is read as the JSON that it holds, as `x`."""
    async for row in tx.connection.cursor(sql, *values, prefetch=READ_AT_ONCE):
        yield kind, plain(row)


def plain(row: Row) -> dict[str, Any]:
    return {name.removesuffix(_JSON): _plain(name, value) for name, value in row.items()}


def _plain(name: str, value: Any) -> Any:
    if name.endswith(_JSON) and value is not None:
        return _DECODER.decode(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return [_plain("", each) for each in value]
    return str(value) if isinstance(value, UUID) else value
