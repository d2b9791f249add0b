"""Reads that may lag: on a replica that has come far enough, and else on the primary.

How far is a position in PostgreSQL's own log (WAL), the same measure on both sides. A replica answers when it has replayed

- where the primary stood `lag_max_s` ago: so nothing that is read is older than that;
- what this process wrote for the tenant: so whoever asks the same process reads what they wrote;
- what the caller names (`Guilder-Position`, from the answer to their write): so they do of any process.

All of it is asked on the very connection that reads, in the statement that opens its transaction: behind one address may
stand several replicas. One that cannot be reached, is behind, or is none any more is left out, and nobody waits for it.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from guilder.kernel.ids import TenantId
from guilder.platform import metrics
from guilder.platform.db.database import (
    APP_ROLE,
    CLASHES,
    GONE,
    SAID,
    STATEMENTS_KEPT,
    Database,
    DatabaseGone,
    open_pool,
)
from guilder.platform.db.tx import Tx, tenants_setting
from guilder.platform.db.wakes import within
from guilder.platform.logging import get

LAG_MAX_S = 10.0
LOOK_EVERY_S = 1.0
# A replica that has no connection at hand within this is too busy, or gone.
ACQUIRE_S = 1.0
# One that says nothing for so long is left out, and the primary asked instead, within the time that the request has.
READ_TIMEOUT_S = 5.0
# Tenants whose last write is remembered; of what is forgotten the newest counts for everybody.
TENANTS_MAX = 10_000
# Of a write whose position could not be asked: the primary answers until time has passed instead.
UNKNOWN = 2**63 - 1

_OPEN = f"""select {SAID}, pg_is_in_recovery() as is_replica,
                   (pg_last_wal_replay_lsn() - '0/0')::bigint as replayed"""
_REPLAYED = """select case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::bigint end"""

_log = get(__name__)


class Why(StrEnum):
    """Why a read that may lag was answered where it was."""

    REPLICA = "replica"
    UNREACHABLE = "unreachable"
    BEHIND = "behind"
    WRITTEN = "just_written"
    CONFLICT = "conflict"


class LeftOut(Exception):
    """The replica is not to answer this; the primary is."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    position: int


class Replica:
    """One address of replicas, and what this process knows of how far they have come."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        primary: Database,
        *,
        monotonic: Callable[[], float],
        lag_max_s: float = LAG_MAX_S,
    ) -> None:
        self._pool = pool
        self._primary = primary
        self._monotonic = monotonic
        self._lag_max_s = lag_max_s
        self._samples: deque[Sample] = deque()
        self._replayed: int | None = None
        self._written: OrderedDict[TenantId, Sample] = OrderedDict()
        self._forgotten: Sample | None = None
        self._is_told = False

    @classmethod
    async def connect(
        cls, url: str, primary: Database, *, monotonic: Callable[[], float], size_max: int, lag_max_s: float, name: str
    ) -> "Replica":
        """Make a pool; a replica that is not there yet is no trouble."""
        kept = 0 if primary.is_pooled else STATEMENTS_KEPT
        pool = await open_pool(
            url,
            size_min=0,
            size_max=size_max,
            is_pooled=primary.is_pooled,
            statements_kept=kept,
            statement_timeout_s=READ_TIMEOUT_S,
            name=name,
        )
        return cls(pool, primary, monotonic=monotonic, lag_max_s=lag_max_s)

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.close(), 5)

    async def run(self, stop: asyncio.Event) -> None:
        """Look how far primary and replica are, until `stop`."""
        while not stop.is_set():
            await self.look()
            await within(stop.wait(), LOOK_EVERY_S)

    async def look(self) -> None:
        try:
            async with asyncio.timeout(self._lag_max_s):
                self._note(await self._primary.position())
                self._replayed = await self._ask()
        except (*GONE, DatabaseGone, asyncpg.PostgresError, OSError) as error:
            self._leave_out(error)
        else:
            self._is_told = False
        metrics.replica_lags(seconds=self.lag_s, is_used=self._floor() is not None)

    @property
    def lag_s(self) -> float:
        """Return for how long at most the replica has been behind, as far as was looked."""
        if not self._samples:
            return 0.0
        if self._replayed is not None and self._replayed >= self._samples[-1].position:
            return 0.0
        passed = [each.at_s for each in self._samples if self._replayed is not None and each.position <= self._replayed]
        return self._monotonic() - (passed[-1] if passed else self._samples[0].at_s)

    async def primary_position(self) -> int:
        return await self._primary.position()

    def trouble(self) -> str | None:
        """Say why it is left out, for whoever asks how this process is; the primary answers everything meanwhile."""
        floor = self._floor()
        if self._replayed is None or floor is None:
            return "cannot be reached"
        return f"is {self.lag_s:.0f} s behind" if self._replayed < floor else None

    def wrote(self, tenant_id: TenantId, position: int | None) -> None:
        """Remember that this tenant's data was written up to here; None where nobody could say how far that is."""
        self._written.pop(tenant_id, None)
        self._written[tenant_id] = Sample(self._monotonic(), UNKNOWN if position is None else position)
        if len(self._written) > TENANTS_MAX:
            _, oldest = self._written.popitem(last=False)
            if self._forgotten is None or oldest.position >= self._forgotten.position:
                self._forgotten = oldest

    def needed(self, tenant_id: TenantId, *, asked: int = 0) -> int:
        """Return how far a replica must have come to read for this tenant now.

        :raises LeftOut: it has not, as far as is known, or nothing is known
        """
        floor = self._floor()
        if floor is None or self._replayed is None:
            raise LeftOut(Why.UNREACHABLE)
        if self._replayed < floor:
            raise LeftOut(Why.BEHIND)
        written = (self._written.get(tenant_id), self._forgotten)
        position = max([floor, asked, *(each.position for each in written if each and self._counts(each))])
        if self._replayed < position:
            # What it replayed was asked a moment ago, but the next look is soon and the primary answers meanwhile.
            raise LeftOut(Why.WRITTEN)
        return position

    @asynccontextmanager
    async def transaction(
        self,
        tenants: Iterable[TenantId],
        *,
        actor: str,
        reached: int,
        request_id: str | None = None,
        traceparent: str | None = None,
    ) -> AsyncIterator[tuple[Tx, int]]:
        """Open a transaction that reads and cannot write, behind the same row-level security; with how far it has come.

        :raises LeftOut: this replica has not replayed `reached`, or is none any more; or it broke off what was read
        """
        seen = frozenset(tenants)
        try:
            async with self._pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction(readonly=True):
                opened = await connection.fetchrow(_OPEN, APP_ROLE, tenants_setting(seen), actor, request_id or "")
                assert opened is not None
                if not opened["is_replica"] or opened["replayed"] < reached:
                    raise LeftOut(Why.BEHIND)
                vault = self._primary.vault
                yield (
                    Tx(connection, seen, actor, request_id, traceparent, _vault=vault),  # type: ignore[arg-type]
                    opened["replayed"],
                )
        except CLASHES as error:
            # What was read stood in the way of what is replayed: the server ends the read.
            raise LeftOut(Why.CONFLICT) from error
        except asyncpg.ReadOnlySQLTransactionError as error:
            _log.exception("a_read_writes", actor=actor)
            raise LeftOut(Why.CONFLICT) from error
        except (*GONE, OSError) as error:
            self._leave_out(error)
            raise LeftOut(Why.UNREACHABLE) from error

    def _note(self, position: int) -> None:
        now = self._monotonic()
        self._samples.append(Sample(now, position))
        # The newest of those that are old enough stays: it is the floor.
        while len(self._samples) > 1 and self._samples[1].at_s <= now - self._lag_max_s:
            self._samples.popleft()
        while self._written and not self._counts(next(iter(self._written.values()))):
            self._written.popitem(last=False)

    def _floor(self) -> int | None:
        """Return where the primary stood `lag_max_s` ago; None where it was not asked for so long that nobody knows."""
        if not self._samples or self._monotonic() - self._samples[-1].at_s > self._lag_max_s:
            return None
        return self._samples[0].position

    def _counts(self, written: Sample) -> bool:
        # By then the floor is past it.
        return self._monotonic() - written.at_s <= self._lag_max_s + 2 * LOOK_EVERY_S

    async def _ask(self) -> int | None:
        async with self._pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction(readonly=True):
            replayed: int | None = await connection.fetchval(_REPLAYED)
        if replayed is None:
            # It was promoted. What it says may be right, but a replica is what was asked for.
            await self._pool.expire_connections()
        return replayed

    def _leave_out(self, error: BaseException) -> None:
        self._replayed = None
        if not self._is_told:
            _log.warning("replica_left_out", reason=f"{type(error).__name__}: {error}")
        self._is_told = True


def text_of(position: int) -> str:
    """Write a position as PostgreSQL does."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def position_of(text: str) -> int:
    """Read a position.

    :raises ValueError: it is none
    """
    high, slash, low = text.partition("/")
    if not slash or not (0 < len(high) <= 8 and 0 < len(low) <= 8) or not (high + low).isalnum():
        raise ValueError(text)
    return int(high, 16) << 32 | int(low, 16)
