"""The way to Redis. It is asked within a moment, or not at all.

    there --one call fails, or is not answered in TIMEOUT_S--> away --a probe behind the scenes is answered--> there

While it is away nobody waits for it: the first calls that find out pay at most TIMEOUT_S each, all others nothing. The
probe makes its connections anew, and so finds a new master or the cluster's new shape.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import BlockingConnectionPool, Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from guilder.platform import metrics
from guilder.platform.cache.address import Address, Form
from guilder.platform.logging import get

T = TypeVar("T")
# Both speak the same commands; the package's own types differ by them.
Client: TypeAlias = Any

TIMEOUT_S = 0.2
PROBE_TIMEOUT_S = 2.0
PROBE_FIRST_S = 0.25
PROBE_MAX_S = 5.0
CONNECTIONS_MAX = 16
SAID_EVERY_S = 60.0

log = get(__name__)


class Away(Exception):
    """Redis was not asked, or has not answered: go on without it."""


class Shared:
    """What processes share. Nothing that it is asked for raises anything but `Away`.

    `monotonic` counts seconds: for how often its absence is said.
    """

    def __init__(self, address: Address, *, monotonic: Callable[[], float], timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._client: Client = _client(address, timeout_s)
        # Of the three forms one waits for a connection that is free, and two fail.
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)
        self._asking: Counter[Client] = Counter()
        # Closed while somebody was asking, who may have connected it again since.
        self._abandoned: set[Client] = set()
        self._reason: str | None = None
        self._said_at: float | None = None
        self._probing: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def trouble(self) -> str | None:
        """Say why it is away; None while it is there."""
        return self._reason

    def key(self, home: str, *rest: str) -> str:
        """Name a key. Those of one `home` lie in one slot of a cluster, and may be asked for together."""
        return ":".join((self._address.prefix, f"{{{home}}}", *rest))

    async def start(self) -> None:
        """Look whether it is there. If not, everything begins without it."""
        try:
            await self._probe(self._client)
        except Exception as error:  # noqa: BLE001  (a cluster's client raises what is no error of Redis)
            self._lose(self._client, error)
        else:
            metrics.redis_is(there=True)

    async def ask(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do `work` with the client.

        :raises Away: it was away already, or failed, or was not done in time
        """
        client = self._client
        if self._reason is not None:
            raise Away
        self._asking[client] += 1
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                return await work(client)
        except Exception as error:
            # Whatever it is: the package raises AttributeError where a connection is closed under it, and no failure of
            # Redis, nor of what speaks to it, fails a request.
            self._lose(client, error)
            raise Away from error
        finally:
            await self._leave(client)

    async def close(self) -> None:
        # The package may take a cancellation for a failure of its own: who looks for Redis is told in so many words, too.
        self._is_over = True
        if self._probing is not None:
            self._probing.cancel()
            with suppress(asyncio.CancelledError):
                await self._probing
        await _close(self._client)

    async def _leave(self, client: Client) -> None:
        self._asking[client] -= 1
        if self._asking[client] == 0:
            del self._asking[client]
            if client in self._abandoned:
                self._abandoned.discard(client)
                await _close(client)

    def _lose(self, client: Client, error: BaseException) -> None:
        if self._reason is not None or client is not self._client:
            return  # somebody else found out before
        # Of what it said, the kind alone: a text of Redis may repeat what was sent.
        self._reason = "does not answer" if isinstance(error, TimeoutError) else f"fails ({type(error).__name__})"
        metrics.redis_is(there=False)
        self._say()
        self._probing = asyncio.create_task(self._come_back(), name="redis probe")

    async def _come_back(self) -> None:
        wait_s, lost = PROBE_FIRST_S, self._client
        while not self._is_over:
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  (jitter)
            if lost is not None:
                # Not at once: others may have been in the middle of asking. The last who still is closes it again.
                if self._asking[lost]:
                    self._abandoned.add(lost)
                await _close(lost)
                lost = None
            wait_s = min(wait_s * 2, PROBE_MAX_S)
            client = _client(self._address, self._timeout_s)
            try:
                await self._probe(client)
            except asyncio.CancelledError:
                await _close(client)
                raise
            except Exception:  # noqa: BLE001  (whatever it is: who stops looking would be without Redis for ever)
                await _close(client)
                self._say()
                continue
            self._client, self._reason, self._said_at = client, None, None
            metrics.redis_is(there=True)
            log.info("redis_is_back")
            return

    async def _probe(self, client: Client) -> None:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            # A write, and to where writes go: a master that became a replica answers PING.
            await client.set(self.key("probe"), b"", px=1_000)

    def _say(self) -> None:
        now = self._monotonic()
        if self._said_at is None or now - self._said_at >= SAID_EVERY_S:
            self._said_at = now
            log.warning("redis_is_away", reason=self._reason, means="limits are each process's own; nothing is kept")


async def _close(client: Client) -> None:
    with suppress(Exception):
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            if isinstance(client, RedisCluster):
                # After an error it takes itself for closed, and leaves its connections to the garbage collector.
                await client.nodes_manager.aclose()
                await client.nodes_manager.aclose("startup_nodes")
            elif isinstance(client.connection_pool, SentinelConnectionPool):
                for sentinel in client.connection_pool.sentinel_manager.sentinels:
                    await sentinel.aclose()
            await client.aclose()


def _client(address: Address, timeout_s: float) -> Client:
    once = Retry(NoBackoff(), 0)
    common: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": once,
        "protocol": 2,
    }
    # The package's own default is to check the certificate and the name in it; it is said here so that it stays so.
    tls: dict[str, Any] = (
        {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": address.ca_file}
        if address.is_tls
        else {}
    )
    if address.form is Form.CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return RedisCluster(startup_nodes=nodes, ssl=address.is_tls, max_connections=CONNECTIONS_MAX, **common, **tls)
    if address.form is Form.SENTINEL:
        return _of_sentinels(address, common, {"ssl": True, **tls} if address.is_tls else {})
    [(host, port)] = address.hosts
    pool = BlockingConnectionPool(
        max_connections=CONNECTIONS_MAX,
        timeout=timeout_s,
        connection_class=SSLConnection if address.is_tls else Connection,
        host=host,
        port=port,
        db=address.database,
        **common,
        **tls,
    )
    return Redis.from_pool(pool)


def _of_sentinels(address: Address, common: dict[str, Any], tls: dict[str, Any]) -> Client:
    asked = dict(common) if address.sentinels_ask else {**common, "username": None, "password": None}
    sentinels: Any = Sentinel(list(address.hosts), sentinel_kwargs={**asked, **tls}, **common, **tls)  # type: ignore[no-untyped-call]
    return sentinels.master_for(address.master, db=address.database, max_connections=CONNECTIONS_MAX)
