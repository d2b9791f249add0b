"""The event feed: a tenant's events for a client that asks, each exactly once, complete, in order per key.

There is no one line that all events stand in: positions are dense per topic and partition only, and any order over all of
them (ids, times) would let a late commit appear behind a client's back. So the cursor is the whole vector: how far the
client has read in each topic and partition. Within a page, events come in the order of their ids as far as order per
key allows; whatever becomes visible later comes later.
"""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from guilder.kernel.errors import Conflict, Malformed
from guilder.platform.bus import store
from guilder.platform.bus.codec import to_cloudevent
from guilder.platform.db.tx import Tx

LIMIT_DEFAULT = 100
LIMIT_MAX = 500
CURSOR_BYTES_MAX = 65_536


class FeedCursorUnreadable(Malformed):
    """This cursor was not given out by the feed."""

    code = "feed_cursor_unreadable"


class FeedCursorOutdated(Conflict):
    """This cursor is from before a restore of the database; read the feed from its beginning."""

    code = "feed_cursor_outdated"


class _Cursor(msgspec.Struct, array_like=True):
    epoch: int
    reached: dict[str, dict[int, int]]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events as CloudEvents, and the cursor to ask for what comes after them (now or later)."""

    events: list[dict[str, Any]]
    cursor: str
    has_more: bool


async def feed(tx: Tx, *, after: str | None = None, limit: int = LIMIT_DEFAULT) -> FeedPage:
    """Read the next events of the transaction's tenant.

    :raises FeedCursorUnreadable: `after` is not a cursor
    :raises FeedCursorOutdated: the database was restored since
    """
    assert 1 <= limit <= LIMIT_MAX, limit
    epoch = await store.epoch(tx)
    reached = _read(after, epoch) if after else {}
    rows = await store.feed(tx, tx.tenant_id, reached, rows_max=limit + 1)
    page = rows[:limit]
    for row in page:
        reached[row["topic"], row["partition"]] = row["position"]
    return FeedPage([to_cloudevent(dict(row)) for row in page], _write(epoch, reached), len(rows) > limit)


async def latest(tx: Tx) -> str:
    """Return the cursor of whoever has read everything up to now."""
    heads = await store.heads(tx)
    return _write(await store.epoch(tx), {(head["topic"], head["partition"]): head["position"] for head in heads})


async def one(tx: Tx, *, event_id: UUID) -> dict[str, Any] | None:
    """Return one event of the transaction's tenant as a CloudEvent; None if there is none, or none any more."""
    row = await store.event(tx, tx.tenant_id, event_id)
    return None if row is None else to_cloudevent(dict(row))


def _write(epoch: int, reached: dict[tuple[str, int], int]) -> str:
    by_topic: dict[str, dict[int, int]] = {}
    for (topic, partition), position in sorted(reached.items()):
        by_topic.setdefault(topic, {})[partition] = position
    return (
        base64.urlsafe_b64encode(zlib.compress(msgspec.msgpack.encode(_Cursor(epoch, by_topic)))).decode().rstrip("=")
    )


def _read(text: str, epoch: int) -> dict[tuple[str, int], int]:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        # Capped: a few bytes from outside must not unfold into gigabytes.
        plain = zlib.decompressobj().decompress(packed, CURSOR_BYTES_MAX)
        cursor = msgspec.msgpack.decode(plain, type=_Cursor)
    except (binascii.Error, ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise FeedCursorUnreadable(field="cursor") from error
    if cursor.epoch != epoch:
        raise FeedCursorOutdated(field="cursor")
    reached = {(topic, part): at for topic, parts in cursor.reached.items() for part, at in parts.items()}
    if any(not 0 <= part < 2**15 or not 0 <= at < 2**63 or "\x00" in topic for (topic, part), at in reached.items()):
        raise FeedCursorUnreadable(field="cursor")
    return reached
