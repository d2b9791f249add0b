"""The pool, and the one way to open a transaction."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import asyncpg

from guilder.kernel.errors import Unavailable
from guilder.kernel.ids import TenantId
from guilder.platform import metrics
from guilder.platform.db.tls import context_for
from guilder.platform.db.tx import Connection, Tx, tenants_setting
from guilder.platform.db.vault import Vault
from guilder.platform.db.wakes import Waker

T = TypeVar("T")

APP_ROLE = "guilder_app"
TRIES_MAX = 6
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60

# What PostgreSQL itself asks to be tried again: a deadlock, a lost race, a lock that took too long.
CLASHES = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # what the driver says when a connection dies just as it is handed out
    ConnectionError,
    TimeoutError,
)

# The number of the newest migration whose tables this code keeps in line by itself: triggers do it for a release before.
SCHEMA = 42

# One round trip opens a transaction: the role that cannot bypass row-level security, whose rows it sees, who acts, and
# in answer to which request: triggers that tell of changes know no more.
_OPEN = f"""select set_config('role', $1, true), set_config('guilder.tenants', $2, true),
                   set_config('guilder.actor', $3, true), set_config('guilder.request_id', $4, true),
                   set_config('guilder.schema', '{SCHEMA}', true)"""


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


class Database:
    """A pool of connections. Every transaction runs as the role that row-level security binds."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", *, url: str, direct_url: str, vault: Vault | None = None
    ) -> None:
        self.pool = pool
        self.url = url
        self.direct_url = direct_url
        self.vault = vault
        self.waker = Waker(pool)

    @classmethod
    async def connect(
        cls, url: str, *, direct_url: str | None = None, size_max: int = 20, vault: Vault | None = None
    ) -> "Database":
        """Open a pool. `direct_url` bypasses a pooler: listening and advisory session state need it."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                ssl=context_for(url),
                max_size=size_max,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=STATEMENT_TIMEOUT_S,
                init=_count_queries,
                server_settings={"application_name": "guilder", "timezone": "UTC"},
            )
        except (*GONE, OSError) as error:
            raise DatabaseGone(f"PostgreSQL cannot be reached: {error}") from error
        return cls(pool, url=url, direct_url=direct_url or url, vault=vault)

    async def close(self) -> None:
        await self.waker.close()
        await self.pool.close()

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
    ) -> AsyncIterator[Tx]:
        """Open a transaction that sees only `tenants`; it commits when the block ends, unless `keep` is false.

        Nothing is sent anywhere inside it. What was announced is written, last, before the commit.
        """
        seen = frozenset(tenants)
        began = asyncio.get_running_loop().time()
        async with self.pool.acquire() as connection:
            metrics.pool_stands(in_use=self.pool.get_size() - self.pool.get_idle_size(), size=self.pool.get_size())
            transaction = connection.transaction()
            await transaction.start()
            _open_here.set(_open_here.get() + 1)
            try:
                await connection.fetchrow(_OPEN, APP_ROLE, tenants_setting(seen), actor, request_id or "")
                tx = Tx(connection, seen, actor, request_id, traceparent, _vault=self.vault)  # type: ignore[arg-type]
                if (rider := riding.get()) is not None:
                    rider(tx)
                yield tx
                if keep:
                    await tx.run_hooks()
            except BaseException as error:
                await _roll_back(transaction)
                _count("clashed" if isinstance(error, CLASHES) else "rolled_back", began)
                raise
            finally:
                _open_here.set(_open_here.get() - 1)
            if keep:
                await transaction.commit()
                self.waker.wake(tx.wakes)
            else:
                await transaction.rollback()
            _count("committed" if keep else "rolled_back", began)

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


async def connect_once(url: str, *, timeout_s: float = CONNECT_TIMEOUT_S, **more: Any) -> Connection:
    """Open a connection outside any pool, over TLS unless it stays on this machine; the caller closes it."""
    return await asyncpg.connect(url, timeout=timeout_s, ssl=context_for(url), **more)


async def _count_queries(connection: Connection) -> None:
    def ran(query: Any) -> None:
        metrics.query_ran(kind=query.query.split(None, 1)[0].lower(), seconds=query.elapsed)

    connection.add_query_logger(ran)


def _count(outcome: str, began: float) -> None:
    metrics.transaction_ended(outcome=outcome, seconds=asyncio.get_running_loop().time() - began)


async def _roll_back(transaction: Any) -> None:
    try:
        await transaction.rollback()
    except (*GONE, asyncpg.PostgresError):
        return  # the connection is gone, and the transaction with it
