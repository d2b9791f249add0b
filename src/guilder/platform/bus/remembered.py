"""What one group read of the log, for the others of this process that hear it, too: read once, and decoded once.

Rows never change once they have a position, but that a subject is forgotten in them. How often that happened is said with
the cursors that a batch claims (`Stamp`); what was read before the last time is read again. Nothing is kept for long: only
the newest rows, and none once nothing waits.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from guilder.kernel.event import Event, Message
from guilder.platform.bus import codec, together
from guilder.platform.bus.together import Claimed, Found, Run
from guilder.platform.db.tx import Row, Tx

# Of each of two generations. A row takes about a kilobyte.
ROWS_MAX = 4_000

K = TypeVar("K")
V = TypeVar("V")

_Place = tuple[int, str, int]


class Stamp(NamedTuple):
    """Which life of the log it is, and how often rows of it were written anew in that."""

    epoch: int
    rewritten: int


class _Newest(Generic[K, V]):
    """What came last, in two generations: once the younger one is full, the older one is let go."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def forget(self) -> None:
        self._young, self._old = {}, {}

    def _make_room(self, count: int) -> None:
        if len(self._young) + count > self._rows_max:
            self._young, self._old = {}, self._young


class Rows(_Newest[_Place, Row]):
    """Rows by their places."""

    _stamp = Stamp(0, 0)

    async def read(self, tx: Tx, claimed: Claimed, found: Found) -> list[Row]:
        """Read these rows, in order: from the log only those that are not remembered.

        The cursors were claimed in the same transaction, which sees the rows' tenants.
        """
        stamp = next(Stamp(each.log_epoch, each.rewritten) for cursors in claimed.values() for each in cursors)
        if stamp > self._stamp:
            self.forget()
            self._stamp = stamp
        rows: list[Row] = []
        missing: dict[int, list[Run]] = {}
        for partition, runs in found.items():
            for run in runs:
                if known := self._find(partition, run):
                    rows += known
                else:
                    missing.setdefault(partition, []).append(run)
        if missing:
            fresh = await together.read(tx, missing)
            if stamp == self._stamp:
                self._keep(fresh)
            rows += fresh
        return together.in_order(rows, found)

    def _find(self, partition: int, run: Run) -> list[Row]:
        """Return the rows of a run, or none where one of them is missing."""
        places = [(partition, run.topic, position) for position in range(run.first, run.last + 1)]
        young, old = self._young, self._old
        found = [row for place in places if (row := young.get(place) or old.get(place))]
        return found if len(found) == len(places) else []

    def _keep(self, rows: Sequence[Row]) -> None:
        self._make_room(len(rows))
        for row in rows:
            self._young[row["partition"], row["topic"], row["position"]] = row


class Messages(_Newest[int, tuple[Row, Message[Event]]]):
    """Messages by the rows that they were read from, for as long as the same rows are handed on.

    Found by where the row is in memory, which is nobody else's for as long as it is held here.
    """

    def of(self, rows: Sequence[Row], types: Mapping[str, type[Event]]) -> list[Message[Event]]:
        """Read rows, which are of few kinds: how each is read is looked up once. A name says the same to every group."""
        self._make_room(len(rows))
        kinds = {name: types.get(name) for name in set(map(itemgetter("name"), rows))}
        return [self._message(row, kinds[row["name"]]) for row in rows]

    def _message(self, row: Row, kind: type[Event] | None) -> Message[Event]:
        if known := self._young.get(id(row)) or self._old.get(id(row)):
            return known[1]
        event = _unknown(row) if kind is None else codec.decode(kind, row["payload"])
        message = Message(row["event_id"], event, row["occurred_at"], row["actor"], row["request_id"], row["position"])
        self._young[id(row)] = (row, message)
        return message


def _unknown(row: Row) -> codec.UnknownEvent:
    return codec.UnknownEvent(
        tenant_id=row["tenant_id"],
        event_name=row["name"],
        event_version=row["version"],
        body=codec.decode_body(row["payload"]),
    )
