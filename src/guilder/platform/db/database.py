"""The pool, and the one way to open a transaction."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import asyncpg

from guilder.kernel.errors import Unavailable
from guilder.kernel.ids import TenantId
from guilder.platform import metrics, tracing
from guilder.platform.db.hosts import CONNECT_TIMEOUT_S, Hosts, OpeningConnection, PooledConnection
from guilder.platform.db.tls import hosts
from guilder.platform.db.tx import Connection, Tx, tenants_setting
from guilder.platform.db.vault import Vault
from guilder.platform.db.wakes import Waker

T = TypeVar("T")

APP_ROLE = "guilder_app"
TRIES_MAX = 6
# A worker's connection speaks more than a hundred of them by turns: with fewer kept, each is prepared anew every time.
STATEMENTS_KEPT = 300
STATEMENT_TIMEOUT_S = 60

# What PostgreSQL itself asks to be tried again: a deadlock, a lost race, a lock that took too long.
CLASHES = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    # A statement was prepared before a migration gave its table a column: the driver forgets it, and prepares it anew.
    asyncpg.InvalidCachedStatementError,
)
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # what the driver says when a connection dies just as it is handed out
    asyncpg.ReadOnlySQLTransactionError,  # what a primary says that is none any more
    asyncpg.DiskFullError,  # it answers, and can keep nothing: whatever is written fails, whoever writes it
    asyncpg.PostgresIOError,
    ConnectionError,
    TimeoutError,
)
# What a server says of itself, and what somebody does to it who cancels statements. It passes; but a batch may be at
# fault as well, that asks too much at once: so who can halve it does, and who has nothing to halve waits.
AILING = (asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError, asyncpg.PostgresSystemError)

# The number of the newest migration whose tables this code keeps in line by itself: triggers do it for a release before.
SCHEMA = 42

# Rows are found by their keys, hundreds at a time, and row-level security makes each look dearer by PostgreSQL's reckoning
# than it is: with the 4 that a server comes with, a batch reads tables of up to some 200,000 rows whole.
_PLANNED = "set_config('random_page_cost', '1.1', true)"

# One round trip opens a transaction: the role that cannot bypass row-level security, whose rows it sees, who acts, and
# in answer to which request: triggers that tell of changes know no more.
SAID = f"""set_config('role', $1, true), set_config('guilder.tenants', $2, true),
           set_config('guilder.actor', $3, true), set_config('guilder.request_id', $4, true),
           set_config('guilder.schema', '{SCHEMA}', true), {_PLANNED}"""
_OPEN = f"select {SAID}, pg_is_in_recovery()"


# The same beside BEGIN, in the same message: which takes no values, so that words from outside come in hexadecimal.
_OPEN_WITH = f"""select set_config('role', '{APP_ROLE}', true), set_config('guilder.tenants', '%s', true),
                        set_config('guilder.actor', convert_from(decode('%s', 'hex'), 'utf8'), true),
                        set_config('guilder.request_id', convert_from(decode('%s', 'hex'), 'utf8'), true),
                        set_config('guilder.schema', '{SCHEMA}', true), {_PLANNED}"""

_POSITION = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"

# How many transactions this task has open: a call to the outside asserts that it is none.
_open_here: ContextVar[int] = ContextVar("open_transactions", default=0)


# What is to happen in every transaction that this task opens from here on, its way in not knowing them: told of each.
riding: ContextVar[Callable[[Tx], None] | None] = ContextVar("riding", default=None)


def in_transaction() -> bool:
    """Tell whether this task (or the one that started it, then) has a transaction open."""
    return _open_here.get() > 0


class DatabaseGone(Unavailable):
    """The database cannot be reached right now."""

    code = "database_unavailable"


class NotPrimary(DatabaseGone):
    """The server that answered is a standby: nothing is decided on what it knows."""


class Database:
    """A pool of connections. Every transaction runs as the role that row-level security binds."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        *,
        url: str,
        direct_url: str,
        vault: Vault | None = None,
        aside: "asyncpg.Pool[asyncpg.Record] | None" = None,
    ) -> None:
        self.pool = pool
        # One connection for who asks how this process is: that all others are taken is no reason to send it no work.
        self.aside = aside or pool
        self.url = url
        self.direct_url = direct_url
        self.vault = vault
        self.waker = Waker(pool)
        # Told of what committed transactions touched; it does not raise, and is quick.
        self.on_touched: Callable[[set[tuple[TenantId, str]]], Awaitable[None]] | None = None
        self._acquiring = 0
        self._in_use = 0
        self._told_at_s = -1.0

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        direct_url: str | None = None,
        size_max: int = 20,
        vault: Vault | None = None,
        name: str = "guilder",
        statements_kept: int | None = None,
    ) -> "Database":
        """Open a pool, to the host of `url` that takes writes if it names several.

        `direct_url` bypasses a pooler: listening needs it. Where it is another address than `url`, a pooler is taken to
        stand there that shares servers by the transaction: then no prepared statement is kept, unless it is said how many.
        """
        is_pooled = direct_url is not None and direct_url != url
        kept = statements_kept if statements_kept is not None else 0 if is_pooled else STATEMENTS_KEPT
        try:
            pool = await open_pool(url, size_max=size_max, is_pooled=is_pooled, statements_kept=kept, name=name)
        except (*GONE, OSError) as error:
            places = " or ".join(filter(None, hosts(url))) or "this machine"
            raise DatabaseGone(f"PostgreSQL cannot be reached at {places}: {error}") from error
        aside = await open_pool(url, size_min=0, size_max=1, is_pooled=is_pooled, statements_kept=kept, name=name)
        return cls(pool, url=url, direct_url=direct_url or url, vault=vault, aside=aside)

    async def close(self) -> None:
        await self.waker.close()
        await self.aside.close()
        await self.pool.close()

    @property
    def is_pooled(self) -> bool:
        """Say whether a pooler stands in front, which shares servers between transactions."""
        return self.direct_url != self.url

    async def position(self) -> int:
        """Return how far the server's own log (WAL) has come: what was committed before this call lies before it."""
        async with self.pool.acquire() as connection, connection.transaction(readonly=True):
            found: int = await connection.fetchval(_POSITION)
        return found

    async def listen(self) -> Connection:
        """Open a connection of its own, outside the pool, for LISTEN; the caller closes it."""
        return await connect_once(self.direct_url)

    @asynccontextmanager
    async def transaction(
        self,
        tenants: Iterable[TenantId] = (),
        *,
        actor: str,
        request_id: str | None = None,
        traceparent: str | None = None,
        keep: bool = True,
        aside: bool = False,
    ) -> AsyncIterator[Tx]:
        """Open a transaction that sees only `tenants`; it commits when the block ends, unless `keep` is false.

        Nothing is sent anywhere inside it. What was announced is written, last, before the commit. `aside` is for who asks
        how this process is: it waits for nobody's work.
        """
        seen = frozenset(tenants)
        began = asyncio.get_running_loop().time()
        async with self._connection(aside=aside) as connection:
            self._tell_how_full(began)
            says, tx = _says_what_it_is(connection), None
            if says:
                connection.open_with(_open_with(seen, actor, request_id or ""))
            transaction = connection.transaction()
            await transaction.start()
            _open_here.set(_open_here.get() + 1)
            try:
                if says and connection.get_settings().in_hot_standby == "on":
                    raise NotPrimary
                if not says:
                    opened = await connection.fetchrow(_OPEN, APP_ROLE, tenants_setting(seen), actor, request_id or "")
                    if opened is not None and opened["pg_is_in_recovery"]:
                        raise NotPrimary
                tx = Tx(connection, seen, actor, request_id, tracing.carried(traceparent), _vault=self.vault)
                if (rider := riding.get()) is not None:
                    rider(tx)
                yield tx
                if keep:
                    await tx.run_hooks()
                await tx.settle()
            except BaseException as error:
                if tx is not None:
                    await tx.abandon()
                await _roll_back(transaction)
                if isinstance(error, (NotPrimary, asyncpg.ReadOnlySQLTransactionError)):
                    # It was the primary when the pool connected. Every connection is to be made anew, to what is now.
                    await self.pool.expire_connections()
                _count("clashed" if isinstance(error, CLASHES) else "rolled_back", began)
                raise
            finally:
                _open_here.set(_open_here.get() - 1)
            if keep:
                await transaction.commit()
                self.waker.wake(tx.wakes)
                tx.count()
            else:
                await transaction.rollback()
            _count("committed" if keep else "rolled_back", began)
        if keep and tx.touched and self.on_touched is not None:
            # Before whoever did it hears that it is done: what they ask next is answered anew.
            await self.on_touched(tx.touched)

    @property
    def waiting(self) -> int:
        """Return how many transactions wait for one that others have: a connection that is being made is no queue."""
        return max(0, self._acquiring - (self.pool.get_max_size() - self._in_use))

    def _tell_how_full(self, now_s: float) -> None:
        # The pool counts its connections one by one when it is asked: once a second is often enough.
        if now_s - self._told_at_s >= 1:
            self._told_at_s = now_s
            metrics.pool_stands(in_use=self._in_use, size=self.pool.get_size())

    @asynccontextmanager
    async def _connection(self, *, aside: bool) -> AsyncIterator[Any]:
        if aside:
            async with self.aside.acquire() as connection:
                yield connection
            return
        self._acquiring += 1
        try:
            connection = await self.pool.acquire()
        finally:
            self._acquiring -= 1
        self._in_use += 1
        try:
            yield connection
        finally:
            self._in_use -= 1
            await self.pool.release(connection)

    async def run(self, work: Callable[[Tx], Awaitable[T]], tenants: Iterable[TenantId] = (), **about: Any) -> T:
        """Run `work` in a transaction, again from the start if PostgreSQL says that it clashed with another one."""
        seen = frozenset(tenants)
        for attempt in range(1, TRIES_MAX + 1):
            try:
                async with self.transaction(seen, **about) as tx:
                    return await work(tx)
            except CLASHES:
                if attempt == TRIES_MAX:
                    raise
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  (jitter, not a secret)
        raise AssertionError("unreachable")


async def open_pool(
    url: str,
    *,
    size_max: int,
    is_pooled: bool = False,
    statements_kept: int = STATEMENTS_KEPT,
    size_min: int = 1,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    name: str,
    watch: Callable[[Any], None] | None = None,
) -> "asyncpg.Pool[asyncpg.Record]":
    """Open a pool of connections to whichever host of an address will do; behind a pooler nothing of them is relied on.

    `watch` is told of every statement that ran, in the context that sent it.
    """
    # The driver's types know neither our own way to connect nor a pool of another kind of connection.
    more: dict[str, Any] = {"connect": Hosts(url).connect}
    more["connection_class"] = PooledConnection if is_pooled else OpeningConnection
    pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
        url,
        statement_cache_size=statements_kept,
        min_size=size_min,
        max_size=size_max,
        command_timeout=statement_timeout_s,
        init=partial(_count_queries, watch=watch),
        reset=_nothing_to_reset,
        server_settings={"application_name": name, "timezone": "UTC"},
        **more,
    )
    return pool


async def connect_once(
    url: str, *, timeout_s: float = CONNECT_TIMEOUT_S, only_reads: bool = False, **more: Any
) -> Connection:
    """Open a connection outside any pool, over TLS unless it stays on this machine; the caller closes it."""
    return await Hosts(url, timeout_s=timeout_s, only_reads=only_reads).connect(**more)


async def _nothing_to_reset(_: object) -> None:
    """Ask the server nothing: whatever a transaction sets is its own (`set local`), and there is nothing outside one."""


async def _count_queries(connection: Connection, *, watch: Callable[[Any], None] | None) -> None:
    def ran(query: Any) -> None:
        metrics.query_ran(kind=query.query.split(None, 1)[0].lower(), seconds=query.elapsed)

    connection.add_query_logger(ran)
    if watch is not None:
        connection.add_query_logger(watch)


def _count(outcome: str, began: float) -> None:
    metrics.transaction_ended(outcome=outcome, seconds=asyncio.get_running_loop().time() - began)


def _says_what_it_is(connection: Any) -> bool:
    """Say whether the server itself tells when it becomes a standby, or is none any more; a pooler's word is old."""
    return hasattr(connection, "open_with") and hasattr(connection.get_settings(), "in_hot_standby")


def _open_with(tenants: Iterable[TenantId], actor: str, request_id: str) -> str:
    return _OPEN_WITH % (tenants_setting(tenants), actor.encode().hex(), request_id.encode().hex())


async def _roll_back(transaction: Any) -> None:
    try:
        await transaction.rollback()
    except (*GONE, asyncpg.PostgresError):
        return  # the connection is gone, and the transaction with it
