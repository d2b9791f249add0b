"""Who is turned away at once when too much is asked: better a quick "not now" for some than a slow answer for all.

    operations   /health, /ready, /metrics        a lane of its own: who watches sees, however busy it is
    webhooks     what providers send               a lane of its own: they tell of money, and come back in minutes or hours
    api          everything else                   503 beyond its lane, and while too many wait for the database;
                                                   429 for one caller beyond its own share of the lane, and
                                                   for a tenant's callers beyond what leaves room for others

A request is counted from its first byte to its last. What is turned away has cost nothing but its headers.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from guilder.kernel.errors import TooMany, Unavailable
from guilder.kernel.ids import TenantId
from guilder.platform import metrics
from guilder.platform.auth.principal import Principal

WEBHOOKS = "/api/webhooks/"
OPERATIONS = frozenset({"/health", "/ready", "/metrics"})
RETRY_MAX_S = 3


# A caller by its tenant and name; all of a tenant's together have none.
_Caller = tuple[TenantId, str | None]
Who = tuple[_Caller, _Caller]


class Overloaded(Unavailable):
    """More is asked of this server than it can answer soon; ask again in a moment."""

    code = "overloaded"


class TooManyAtOnce(TooMany):
    """This caller, or its tenant, has as many requests under way as it may have at once."""

    code = "too_many_at_once"


class Lane(StrEnum):
    OPERATIONS = "operations"
    WEBHOOKS = "webhooks"
    API = "api"

    @classmethod
    def of(cls, path: str) -> "Lane":
        if path in OPERATIONS:
            return cls.OPERATIONS
        return cls.WEBHOOKS if path.startswith(WEBHOOKS) else cls.API


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many requests of each lane one process serves at once, of them how many of one caller's and of all of a tenant's
    (who may make keys may make many), and how many transactions may wait for a connection before no more are begun (webhooks are taken until half as many again)."""

    api: int = 256
    webhooks: int = 64
    operations: int = 32
    per_caller: int = 128
    per_tenant: int = 224
    waiting: int = 128

    def of(self, lane: Lane) -> int:
        if lane is Lane.API:
            return self.api
        return self.webhooks if lane is Lane.WEBHOOKS else self.operations


class Load:
    """What is under way in this process. `waiting` counts the transactions that wait for a connection."""

    def __init__(self, ceilings: Ceilings, waiting: Callable[[], int] = lambda: 0) -> None:
        self._ceilings = ceilings
        self._waiting = waiting
        self._lanes: Counter[Lane] = Counter()
        self._callers: Counter[_Caller] = Counter()

    def show(self) -> None:
        """Let the metrics, of which a process has one set, look at this."""
        for lane in Lane:
            metrics.requests_stand(lane=lane.value, in_flight=partial(self._lanes.__getitem__, lane))
        metrics.pool_waited_for(self._waiting)

    @contextmanager
    def lane(self, path: str) -> Iterator[None]:
        """Count a request while it is served.

        :raises Overloaded: there are too many already
        """
        lane = Lane.of(path)
        if (reason := self._overload(lane)) is not None:
            metrics.request_shed(reason=reason)
            raise Overloaded(retry_after_s=_soon())
        self._lanes[lane] += 1
        try:
            yield
        finally:
            self._lanes[lane] -= 1

    @contextmanager
    def share(self, principal: Principal | None) -> Iterator[None]:
        """Count a caller's request while it is served; nobody's is counted by its lane alone.

        :raises TooManyAtOnce: this caller has too many already, or its tenant has
        """
        if principal is None:
            yield
            return
        who = who_of(principal)
        if (full := self._full(who)) is not None:
            metrics.request_shed(reason=full)
            raise TooManyAtOnce(retry_after_s=_soon())
        self._count(who, 1)
        try:
            yield
        finally:
            self._count(who, -1)

    def begin(self, lane: Lane, who: Who | None) -> bool:
        """Count a request, in its lane and in its caller's share, if neither is full; what was counted is to be ended."""
        if self._overload(lane) is not None or (who is not None and self._full(who) is not None):
            return False
        self._lanes[lane] += 1
        if who is not None:
            self._count(who, 1)
        return True

    def end(self, lane: Lane, who: Who | None) -> None:
        """Count a request that was begun no more."""
        self._lanes[lane] -= 1
        if who is not None:
            self._count(who, -1)

    def _overload(self, lane: Lane) -> str | None:
        if self._lanes[lane] >= self._ceilings.of(lane):
            return "in_flight"
        if lane is Lane.OPERATIONS:
            return None
        most = self._ceilings.waiting
        return "waiting" if self._waiting() >= (most if lane is Lane.API else most + most // 2) else None

    def _full(self, who: Who) -> str | None:
        caller, tenant = who
        if self._callers[caller] >= self._ceilings.per_caller:
            return "caller"
        return "tenant" if self._callers[tenant] >= self._ceilings.per_tenant else None

    def _count(self, who: Who, step: int) -> None:
        for each in who:
            count = self._callers[each] + step
            if count:
                self._callers[each] = count
            else:
                del self._callers[each]


def who_of(principal: Principal) -> Who:
    """Name whose share a request is counted in: its caller's, and its tenant's."""
    return (principal.tenant_id, principal.actor), (principal.tenant_id, None)


def _soon() -> int:
    # Spread, so that those who were turned away together do not come back together.
    return random.randint(1, RETRY_MAX_S)  # noqa: S311
