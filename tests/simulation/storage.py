"""The database of L1: rows, locks that wait, commits that come late, and a log whose ids are drawn before them.

It is a model of what the protocol needs and no PostgreSQL: what depends on isolation and SQL is tried by L2.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.engine import Sim

Key = tuple[str, Hashable]
LOCK_WAIT_S = 30.0
PARTITIONS = 2
_GONE = object()


class Clash(Exception):
    """Waited too long for a lock: everything of this transaction is undone, and it is tried again."""


@dataclass(slots=True)
class Row:
    """A row of the log: its id is drawn before the commit, its position given after it."""

    id: int
    partition: int
    key: Hashable
    event: Any
    at: Any
    position: int = 0


@dataclass
class Store:
    sim: Sim
    rows: dict[str, dict[Hashable, Any]] = field(default_factory=dict)
    log: dict[int, Row] = field(default_factory=dict)
    lines: list[list[Row]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    unsequenced: list[int] = field(default_factory=list)
    posted: list[tuple[str, Hashable]] = field(default_factory=list)
    history: list[tuple[str, Hashable, Any, Any]] = field(default_factory=list)
    _held: dict[Key, "Tx"] = field(default_factory=dict)
    commits: int = 0
    _ids: int = 0

    def table(self, name: str) -> dict[Hashable, Any]:
        return self.rows.setdefault(name, {})

    @contextmanager
    def begin(self) -> Iterator["Tx"]:
        """Open a transaction; what is not committed when the block ends (or its actor dies) has not happened."""
        tx = Tx(self)
        try:
            yield tx
        finally:
            tx.release()

    def draw(self) -> int:
        self._ids += 1
        return self._ids


class Tx:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._writes: dict[Key, Any] = {}
        self._locks: set[Key] = set()
        self._said: list[tuple[Hashable, Any]] = []
        self._posts: list[tuple[str, Hashable]] = []

    async def lock(self, table: str, key: Hashable) -> Any:
        """Wait for a row (or for the place where it would be), hold it until the commit, and read it as it is then."""
        wanted, sim = (table, key), self.store.sim
        ends = sim.seconds + LOCK_WAIT_S
        while self.store._held.get(wanted, self) is not self:
            if sim.seconds > ends:
                raise Clash(wanted)
            await sim.pause(0.05 + sim.rng.random() * 0.2)
        self.store._held[wanted] = self
        self._locks.add(wanted)
        return self.get(table, key)

    def try_lock(self, table: str, key: Hashable) -> bool:
        """Take a row if nobody has it (`skip locked`)."""
        wanted = (table, key)
        if self.store._held.get(wanted, self) is not self:
            return False
        self.store._held[wanted] = self
        self._locks.add(wanted)
        return True

    def get(self, table: str, key: Hashable) -> Any:
        found = self._writes.get((table, key), _GONE)
        return self.store.table(table).get(key) if found is _GONE else found

    def put(self, table: str, key: Hashable, row: Any) -> None:
        self._writes[table, key] = row

    async def insert(self, table: str, key: Hashable, row: Any) -> bool:
        """Write a row under a unique key: waits for whoever is writing it; False if it is there (on conflict …)."""
        if await self.lock(table, key) is not None:
            return False
        self.put(table, key, row)
        return True

    def announce(self, key: Hashable, event: Any) -> None:
        self._said.append((key, event))

    def post(self, fact: tuple[str, Hashable]) -> None:
        """Book money, for a fact that may be booked once."""
        self._posts.append(fact)

    async def commit(self) -> None:
        drawn = [(self.store.draw(), key, event) for key, event in self._said]
        await self.store.sim.pause()
        for (table, key), row in self._writes.items():
            before = self.store.table(table).get(key)
            self.store.table(table)[key] = row
            if table in {"payments", "invoices", "refunds"}:
                self.store.history.append((table, key, before, row))
        self.store.posted += self._posts
        self.store.commits += 1
        for id_, key, event in drawn:
            self.store.log[id_] = Row(id_, hash_of(key) % PARTITIONS, key, event, self.store.sim.now)
            self.store.unsequenced.append(id_)
        self.release()

    def release(self) -> None:
        for each in self._locks:
            del self.store._held[each]
        self._locks.clear()
        self._writes.clear()
        self._said.clear()
        self._posts.clear()


def hash_of(key: Hashable) -> int:
    """Spread keys in the same way in every process (`hash` of a text does not)."""
    return sum(str(key).encode())
