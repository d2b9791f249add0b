"""Which server of several: each host of an address is asked for itself, the one that answered last before the others.

The driver takes a list of hosts too, but one time for all of them: a host that is gone without a word (a machine that
lost its power) uses it up, and the standby that was promoted is never asked.
"""

import socket
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import asyncpg

from guilder.platform.db.tls import context_for
from guilder.platform.db.tx import Connection

CONNECT_TIMEOUT_S = 10.0
# Of one of several.
HOST_TIMEOUT_S = 3.0
# A server that answers nothing at all for so long is gone, and what was asked of it with it.
SILENCE_S = 20
PROBE_AFTER_S, PROBE_EVERY_S = 10, 3

_ATTRIBUTE = "target_session_attrs"
_NEXT = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # not the kind of server that was asked for
    asyncpg.InterfaceError,
    OSError,
)


# Types with smaller numbers came with PostgreSQL: everywhere they have that number, and are what they are.
_FIRST_OF_ITS_OWN = 10_000
# What servers said of such types, by the number of each: the rows that the driver reads.
_known: dict[int, Sequence[Any]] = {}


class _NothingAsked(NamedTuple):
    """Stands for the statement that a server was asked with, where none was: named, so none was overwritten by it."""

    name: str = "known"


class KnowingConnection(asyncpg.Connection):
    """A connection that asks for no type that a server was asked for before.

    The driver has every new connection ask for every kind of array anew, a recursive query each that takes as long to
    plan as twenty others to run.
    """

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> tuple[list[Any], Any]:
        asking = cast("Any", super())  # the driver's types do not know its own method
        found: list[Any] = []
        statement: Any = _NothingAsked()
        for number in typeoids:
            rows = _known.get(number)
            if rows is None:
                rows, statement = await asking._introspect_types([number], timeout)  # noqa: SLF001
            if number < _FIRST_OF_ITS_OWN:
                _known[number] = rows
            found += rows
        return found, statement


class OpeningConnection(KnowingConnection):
    """A connection whose next BEGIN takes along what else opens the transaction: one message instead of two.

    The driver begins transactions itself, and knows by that whether one within is a savepoint.
    """

    _opening = ""

    def open_with(self, statement: str) -> None:
        self._opening = statement

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        if self._opening and query.startswith("BEGIN"):
            query, self._opening = f"{query} {self._opening}", ""
        done: str = await super().execute(query, *args, **options)
        return done


class PooledConnection(KnowingConnection):
    """A connection through a pooler: behind it servers are shared, so a statement's name is nobody else's either."""

    def _get_unique_id(self, prefix: str) -> str:
        return f"__guilder_{prefix}_{uuid4().hex}__"


class Hosts:
    """The hosts of one address. Where there are several, one is wanted that takes writes, unless the address says else.

    `only_reads`: the login's own transactions are read-only wherever it comes to, so it takes none for a server that
    accepts its writes; the primary is wanted all the same.
    """

    def __init__(self, url: str, *, timeout_s: float = CONNECT_TIMEOUT_S, only_reads: bool = False) -> None:
        self._urls = each_host(url, wanted="primary" if only_reads else "read-write")
        self._timeout_s = min(timeout_s, HOST_TIMEOUT_S) if len(self._urls) > 1 else timeout_s

    async def connect(self, *_: object, **options: Any) -> Connection:
        """Connect to the first host that will do.

        :raises OSError: or what the driver raises, of the last host that was asked: none will
        """
        failure: BaseException | None = None
        for url in tuple(self._urls):
            try:
                connection: Connection = await asyncpg.connect(
                    url, ssl=context_for(url), timeout=self._timeout_s, **options
                )
            except _NEXT as error:
                failure = error
                continue
            self._urls.sort(key=lambda each: each != url)
            _notice_silence(connection)
            return connection
        assert failure is not None
        if isinstance(failure, asyncpg.InternalClientError):
            # While another server is being promoted: out of reach for everybody, like a host that is down.
            raise ConnectionError(f"no host of this address is the server that is wanted now: {failure}") from failure
        raise failure


def each_host(url: str, *, wanted: str = "read-write") -> list[str]:
    """Return an address for each host of an address, in order, with the kind of server that is wanted."""
    parts = urlsplit(url)
    who, at, named = parts.netloc.rpartition("@")
    if "," not in named:
        return [url]
    query = parts.query
    if _ATTRIBUTE not in parse_qs(query):
        query = "&".join(each for each in (query, urlencode({_ATTRIBUTE: wanted})) if each)
    return [parts._replace(netloc=f"{who}{at}{host}", query=query).geturl() for host in named.split(",")]


def _notice_silence(connection: Connection) -> None:
    """Have the system itself give up on a server that does not even acknowledge: it takes a quarter of an hour else."""
    end = cast("Any", connection)._transport.get_extra_info("socket")  # noqa: SLF001  (the driver has no option for it)
    if end is None or end.family == socket.AF_UNIX:
        return
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", SILENCE_S * 1000),
        ("TCP_KEEPIDLE", PROBE_AFTER_S),
        ("TCP_KEEPINTVL", PROBE_EVERY_S),
    ):
        if (option := getattr(socket, name, None)) is not None:  # Linux has them all
            end.setsockopt(socket.IPPROTO_TCP, option, value)
