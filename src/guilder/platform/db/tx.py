"""The transaction that every verb takes first: a connection, the tenants it may see, and who acts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.crypto import Key
from guilder.platform.db.vault import Vault

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic for the type checker only
Row = asyncpg.Record
Hook = Callable[["Tx"], Awaitable[None]]


@dataclass(slots=True)
class Tx:
    """One open transaction. Only a `store` speaks SQL through it; the edge that opened it commits it."""

    connection: Connection
    tenants: frozenset[TenantId]
    actor: str
    request_id: str | None = None
    traceparent: str | None = None
    _hooks: dict[str, Hook] = field(default_factory=dict)
    outbox: list[Any] = field(default_factory=list)
    _vault: Vault | None = None
    # Of subjects whose rows this holds, as long as it does: see the vault.
    keys: dict[Ref, Key | None] = field(default_factory=dict)
    # Channels to notify after the commit: NOTIFY inside it would make all commits queue for one lock.
    wakes: set[str] = field(default_factory=set)
    # What of whom this changes that may be kept somewhere as an answer: what was kept of it is old from the commit on.
    touched: set[tuple[TenantId, str]] = field(default_factory=set)
    # Of a batch that belongs to several traces: by the log's key, the one that its message came with.
    traces: dict[UUID, str | None] = field(default_factory=dict)
    # Where several requests are answered: by the log's key, whose answer what is announced is.
    requests: dict[UUID, str] = field(default_factory=dict)
    _counts: list[Callable[[], None]] = field(default_factory=list)
    _sent: "asyncio.Task[int] | None" = None

    @property
    def tenant_id(self) -> TenantId:
        """Return the one tenant of this transaction; a batch over several has none."""
        assert len(self.tenants) == 1, self.tenants
        return next(iter(self.tenants))

    @property
    def vault(self) -> Vault:
        """Return what seals and opens personal data and secrets; the database was connected with it."""
        assert self._vault is not None, "this database was connected without a vault"
        return self._vault

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        await self.settle()
        return await self.connection.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        await self.settle()
        return await self.connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:
        await self.settle()
        return await self.connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: object) -> int:
        """Run a statement and return how many rows it touched."""
        await self.settle()
        return await self._execute(sql, *values)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        await self.settle()
        await self.connection.executemany(sql, rows)

    async def send(self, sql: str, *values: object) -> Awaitable[int]:
        """Have a statement run while its caller goes on; return what says, when awaited, how many rows it touched.

        What it raises the next statement raises, or the commit, if nobody has asked before: so it is for what is written in
        bulk while the next of it is worked out, and not for what is expected to fail.
        """
        await self.settle()
        self._sent = asyncio.create_task(self._execute(sql, *values))
        await asyncio.sleep(0)  # the driver hands it over in this turn of the loop
        return self._sent

    async def settle(self) -> None:
        """Wait until what was sent is done.

        :raises asyncpg.PostgresError: what it came to
        """
        if self._sent is not None:
            sent, self._sent = self._sent, None
            await sent

    async def abandon(self) -> None:
        """Stop what was sent: what comes of it is undone, and nobody hears of it."""
        if self._sent is not None:
            sent, self._sent = self._sent, None
            sent.cancel()
            await asyncio.gather(sent, return_exceptions=True)

    async def _execute(self, sql: str, *values: object) -> int:
        status = await self.connection.execute(sql, *values)
        tail = status.rsplit(" ", 1)[-1]
        return int(tail) if tail.isdigit() else 0

    def before_commit(self, name: str, hook: Hook) -> None:
        """Run `hook` once, last before the commit, however often it is asked for."""
        self._hooks.setdefault(name, hook)

    def wake(self, channel: str) -> None:
        """Notify whoever listens on `channel`, after the commit; a wake-up may be lost, so listeners poll as well."""
        self.wakes.add(channel)

    def touch(self, tenant_id: TenantId, subject: str) -> None:
        """Say after the commit that kept answers about this are old; that may be lost, so none is kept for long."""
        self.touched.add((tenant_id, subject))

    def once_committed(self, count: Callable[[], None]) -> None:
        """Count something when it is known to have happened: quick, in memory, and without raising."""
        self._counts.append(count)

    def count(self) -> None:
        for count in self._counts:
            count()

    def trace_of(self, key: UUID | None) -> str | None:
        """Return the traceparent to pass on with what concerns this key of the log."""
        return self.traces.get(key, self.traceparent) if key else self.traceparent

    def asked_by(self, key: UUID, request_id: str | None, traceparent: str | None) -> None:
        """Say by which request what concerns this key of the log is asked for; None: by the transaction's own."""
        if request_id is not None:
            self.requests[key] = request_id
            self.traces[key] = traceparent

    @property
    def has_hooks(self) -> bool:
        """Say whether more is still to run before the commit: a hook that must be the last one steps back."""
        return bool(self._hooks)

    async def run_hooks(self, of: str = "") -> None:
        """Run what waits for the commit; or only that whose name begins with `of`, for who must see what comes of it."""
        while name := next((each for each in self._hooks if each.startswith(of)), None):
            await self._hooks.pop(name)(self)

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[None]:
        """Do everything within for real, and undo it: rows, locks, events, hooks and wake-ups.

        So a preview is the very thing that it is a preview of. What was read within stays valid as an answer; ids and
        numbers in it are given to others later.
        """
        hooks, outbox, wakes, counts = dict(self._hooks), list(self.outbox), set(self.wakes), list(self._counts)
        touched, keys = set(self.touched), dict(self.keys)
        await self.settle()
        savepoint = self.connection.transaction()
        await savepoint.start()
        try:
            yield
        finally:
            await self.abandon()
            await savepoint.rollback()
            self.touched, self.keys = touched, keys
            self._hooks, self.outbox, self.wakes, self._counts = hooks, outbox, wakes, counts

    async def narrow(self, tenants: Iterable[TenantId]) -> None:
        """See only these tenants from here on: for a batch that handles one clock's tenants after another's."""
        await self.settle()
        self.tenants = frozenset(tenants)
        await self.connection.execute("select set_config('guilder.tenants', $1, true)", tenants_setting(self.tenants))

    @asynccontextmanager
    async def only(self, tenant_id: TenantId) -> AsyncIterator[None]:
        """See only this tenant within: for the few of a batch that are done by what knows one tenant. Where that fails, so
        does the transaction."""
        everybody = self.tenants
        if everybody == {tenant_id}:
            yield
            return
        await self.narrow({tenant_id})
        yield
        await self.narrow(everybody)


def tenants_setting(tenants: Iterable[UUID]) -> str:
    return "{" + ",".join(str(tenant) for tenant in sorted(tenants)) + "}"
