"""What one process remembers for seconds, and forgets when anybody says that it is old.

    who reads     takes a mark of its subject (`Near.mark`), then reads PostgreSQL, and keeps what it read with the mark;
                  it counts while the mark is not old and its own time is not over
    who changes   names the subject (`Tx.touch`); after the commit, and before it says that it is done, marks of its own
                  process are made old, and all others are told by NOTIFY (`Teller`)

What was read before a commit bears a mark that the word of it makes old, so it is never kept past that word. The word
may be lost: nothing counts for longer than its own seconds, and where nothing can be heard nothing is kept at all.

A right that was taken is not left to a word. Whose an API key is counts for `LEASE_S` from before it was read, and who
takes a right waits as long after the commit: by the time that they hear "done", nobody remembers it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from hashlib import blake2b

import asyncpg

from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Connection
from guilder.platform.db.wakes import first, within

CHANNEL = "guilder_touched"
# As `Tx.touch` names what a tenant's callers may do at all: a key revoked, a tenant suspended.
RIGHTS = "identity:rights"
LEASE_S = 1.0
# How much longer is waited: clocks of machines do not all run alike.
LEASE_MARGIN_S = 0.1
TELL_TIMEOUT_S = 1.0
MARKS_MAX = 100_000
NAME_BYTES = 8
# PostgreSQL takes 8,000 bytes with a notification.
NAMES_AT_ONCE = 480
RECONNECT_S = 1.0
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

Touched = Collection[tuple[TenantId, str]]


class Mark:
    """What something was read under; old from the word on that what was read has changed."""

    __slots__ = ("is_old",)

    def __init__(self) -> None:
        self.is_old = False


class Near:
    """The marks of one process, and the ear that makes them old."""

    def __init__(self, listen: Callable[[], Awaitable[Connection]]) -> None:
        self._listen = listen
        self._marks: OrderedDict[str, Mark] = OrderedDict()
        self._hears = False

    def mark(self, tenant_id: TenantId, subject: str) -> Mark | None:
        """Return what to keep something of this subject with, to be taken before it is read; None: keep nothing."""
        if not self._hears:
            return None
        name = name_of(tenant_id, subject)
        mark = self._marks.get(name)
        if mark is None:
            mark = self._marks[name] = Mark()
            if len(self._marks) > MARKS_MAX:
                _, forgotten = self._marks.popitem(last=False)
                forgotten.is_old = True  # nobody could tell it any more
        return mark

    def told(self, names: Sequence[str]) -> None:
        for name in names:
            if (mark := self._marks.pop(name, None)) is not None:
                mark.is_old = True

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`; while there is no connection, nothing is kept."""
        while not stop.is_set():
            try:
                await self._hear(await self._listen(), stop)
            except _TROUBLE:
                await within(stop.wait(), RECONNECT_S)

    async def _hear(self, connection: Connection, stop: asyncio.Event) -> None:
        gone = asyncio.Event()

        def lost(_: object) -> None:
            self._forget()
            gone.set()

        connection.add_termination_listener(lost)
        try:
            await connection.add_listener(CHANNEL, lambda *said: self.told(_names_in(str(said[-1]))))
            self._hears = not gone.is_set()
            await first(gone, stop)
        finally:
            self._forget()
            with suppress(*_TROUBLE):
                await connection.close(timeout=1)

    def _forget(self) -> None:
        self._hears = False
        for mark in self._marks.values():
            mark.is_old = True
        self._marks.clear()


class Teller:
    """Tells every process what a committed transaction touched (`Database.on_touched`)."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        near: Near | None = None,
        *,
        also: Callable[[Touched], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._near = near
        self._also = also

    async def touched(self, touched: Touched) -> None:
        names = sorted(name_of(tenant_id, subject) for tenant_id, subject in touched)
        if self._near is not None:
            self._near.told(names)
        if self._also is not None:
            await self._also(touched)
        with suppress(*_TROUBLE):  # what is kept is soon over by itself
            async with asyncio.timeout(TELL_TIMEOUT_S):
                await self._tell(names)
        if any(subject == RIGHTS for _, subject in touched):
            await asyncio.sleep(LEASE_S + LEASE_MARGIN_S)

    async def _tell(self, names: Sequence[str]) -> None:
        said = ["".join(names[at : at + NAMES_AT_ONCE]) for at in range(0, len(names), NAMES_AT_ONCE)]
        # In a transaction: a pooler gives each one server for its whole length, and promises no more.
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("select pg_notify($1, said) from unnest($2::text[]) as said", CHANNEL, said)


def name_of(tenant_id: TenantId, subject: str) -> str:
    """Return a short name for a subject: of one length, and telling nobody who listens what it is about."""
    return blake2b(f"{tenant_id}\n{subject}".encode(), digest_size=NAME_BYTES).hexdigest()


def _names_in(said: str) -> list[str]:
    return [said[at : at + 2 * NAME_BYTES] for at in range(0, len(said), 2 * NAME_BYTES)]
