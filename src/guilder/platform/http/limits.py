"""How often: token buckets by caller and by address. Behind a port, so that several processes can share one in Redis.

Nothing of right or wrong depends on them: a bucket that is lost is a bucket that is full.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guilder.kernel.errors import TooMany
from guilder.platform.http.settings import Allowance

BUCKETS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What a bucket said: whether it held enough, what is left, and in how many seconds it would hold enough again."""

    is_allowed: bool
    limit: int
    left: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.left),
            "RateLimit-Reset": str(self.reset_s),
        }


class RateLimiter(Protocol):
    async def take(self, key: str, allowance: Allowance, cost: int = 1) -> Taken:
        """Take `cost` tokens from the bucket of this key, or none if it does not hold as many. Cost 0 only looks."""
        ...


class InProcess:
    """Buckets of this process alone; the least lately used are forgotten beyond `BUCKETS_MAX`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, key: str, allowance: Allowance, cost: int = 1) -> Taken:
        now, per_second = self._monotonic(), allowance.per_minute / 60
        level, since = self._buckets.pop(key, (float(allowance.size), now))
        level = min(allowance.size, level + (now - since) * per_second)
        is_allowed = level >= max(cost, 1)
        if is_allowed:
            level -= cost
        self._buckets[key] = (level, now)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        missing = max(0.0, max(cost, 1) - level)
        return Taken(is_allowed, allowance.size, int(level), math.ceil(missing / per_second))


def enough(taken: Taken) -> Taken:
    """Pass it on.

    :raises TooMany: the bucket did not hold enough
    """
    if not taken.is_allowed:
        raise TooMany(retry_after_s=max(1, taken.reset_s))
    return taken
